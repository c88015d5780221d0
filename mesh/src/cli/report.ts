import type { MeshStep, PeerInfo } from "../info.js";
import type { Mesh } from "../mesh.js";
import type { MeshEvents } from "../mesh-options.js";
import type { Context } from "./context.js";
import type { Notifier } from "./notify.js";
import { clockTime, count, milliseconds, peerName, printable } from "./printable.js";
import { statusText } from "./status-text.js";
import { pathInWords } from "./words.js";

/** The part of a mesh that is reported. */
export interface ReportedMesh extends Pick<Mesh, "info" | "look"> {
  on<E extends keyof MeshEvents>(event: E, listener: (...args: MeshEvents[E]) => void): unknown;
  off<E extends keyof MeshEvents>(event: E, listener: (...args: MeshEvents[E]) => void): unknown;
}

/**
 * How long a new reason must last before it is printed, in ms. While a path is sought, reasons change several times a
 * second.
 */
const REASON_AFTER_MS = 3000;

/** Prints what happens, one line each. */
export class Report {
  readonly #context: Context;
  readonly #mesh: ReportedMesh;
  readonly #notifier: Notifier;
  /** What was last printed for each peer. */
  readonly #told = new Map<string, { readonly way: string; readonly reason: string }>();
  /** The timers of reasons that are printed if they last. */
  readonly #reasons = new Map<string, NodeJS.Timeout>();
  #candidates = "";

  constructor(context: Context, mesh: ReportedMesh, notifier: Notifier) {
    this.#context = context;
    this.#mesh = mesh;
    this.#notifier = notifier;
    // Steps are only for programs: a person sees their results. The first steps may have happened already.
    if (context.output.json) mesh.on("step", this.#onStep);
  }

  async start(): Promise<void> {
    const { output } = this.#context;
    const { interface: name, publicKey, listenPort, peers, troubles = [] } = this.#mesh.info();
    this.#mesh.on("peer", this.#onPeer);
    this.#mesh.on("candidates", this.#onCandidates);
    this.#mesh.on("warning", this.#onWarning);
    const event = { event: "ready", time: Date.now(), interface: name, publicKey, listenPort };
    if (output.json) await output.result({ ...event, peers: peers.length }, () => "");
    output.note(
      `${printable(name)} is looked after: ${count(peers.length, "peer")}, port ${listenPort}, key ${publicKey}. Ctrl-C ends it.`,
    );
    this.#notifier.ready(summary(peers));
    for (const trouble of troubles) this.#onWarning(trouble);
    for (const peer of peers) this.#onPeer(peer);
    this.#onCandidates();
  }

  /** Stops printing, except for warnings: problems with restoring at the end must be seen. */
  stop(): void {
    this.#mesh.off("peer", this.#onPeer);
    this.#mesh.off("candidates", this.#onCandidates);
    this.#mesh.off("step", this.#onStep);
    for (const timer of this.#reasons.values()) clearTimeout(timer);
  }

  /** Prints everything that is known, as `status` does. */
  async state(): Promise<void> {
    const { output } = this.#context;
    try {
      await this.#mesh.look();
      const info = this.#mesh.info();
      const look = { now: Date.now(), columns: output.columns, paint: output.paint };
      await output.result({ event: "state", time: Date.now(), ...info }, () => statusText(info, look));
    } catch {
      // The daemon ends.
    }
  }

  readonly #onPeer = (changed: PeerInfo): void => {
    const { peers } = this.#mesh.info();
    const peer = peers.find(({ publicKey }) => publicKey === changed.publicKey) ?? changed;
    this.#notifier.status(summary(peers));
    const { publicKey, state, path, reason } = peer;
    clearTimeout(this.#reasons.get(publicKey));
    this.#reasons.delete(publicKey);
    const told = this.#told.get(publicKey);
    const way = `${state} ${path?.kind} ${path?.endpoint}`;
    if (told?.way !== way) this.#tell(peer, way);
    else if (path === undefined && told.reason !== reason)
      this.#reasons.set(
        publicKey,
        setTimeout(() => this.#tell(peer, way), REASON_AFTER_MS),
      );
  };

  #tell(peer: PeerInfo, way: string): void {
    this.#told.set(peer.publicKey, { way, reason: peer.reason });
    void this.#context.output.result({ event: "peer", time: Date.now(), ...peer }, () => this.#line(peer));
  }

  #line(peer: PeerInfo): string {
    const { paint } = this.#context.output;
    const colour = {
      asleep: paint.dim,
      direct: paint.green,
      relayed: paint.yellow,
      probing: paint.cyan,
      unmet: paint.dim,
      lost: paint.red,
    };
    const { path, state, reason } = peer;
    const way =
      path === undefined
        ? [printable(reason)]
        : [
            pathInWords(path, this.#mesh.info().peers),
            printable(path.endpoint),
            ...(path.roundTripMs === undefined ? [] : [milliseconds(path.roundTripMs)]),
          ];
    return [paint.dim(clockTime(new Date())), peerName(peer), colour[state](state.padEnd(7)), ...way].join(
      "  ",
    );
  }

  readonly #onCandidates = (): void => {
    const { output } = this.#context;
    const { candidates, nat } = this.#mesh.info();
    const shown = candidates.map(({ kind, endpoint }) => `${printable(endpoint)} (${kind})`).join(", ");
    if (shown === this.#candidates) return;
    this.#candidates = shown;
    void output.result(
      { event: "candidates", time: Date.now(), nat, candidates },
      () => `${output.paint.dim(clockTime(new Date()))}  reachable at ${shown || "nothing that is known"}`,
    );
  };

  readonly #onStep = (step: MeshStep): void =>
    void this.#context.output.result({ event: "step", time: Date.now(), ...step }, () => "");

  readonly #onWarning = (message: string): void => this.#context.output.warn(message);
}

function summary(peers: readonly PeerInfo[]): string {
  const reached = peers.filter(({ path }) => path !== undefined).length;
  return `${reached} of ${count(peers.length, "peer")} reached`;
}
