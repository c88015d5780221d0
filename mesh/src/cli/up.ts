import { ControlServer } from "../control/server.js";
import { runtimeFolder, socketPath } from "../control/socket-path.js";
import { MeshError } from "../errors.js";
import type { MeshInfo, MeshStep, PeerInfo } from "../info.js";
import type { Mesh } from "../mesh.js";
import type { MeshEvents, MeshOptions } from "../mesh-options.js";
import type { Context } from "./context.js";
import { endedText } from "./down.js";
import type { ExitCode } from "./failure.js";
import { Hooks } from "./hooks.js";
import { aborted } from "./interrupt.js";
import { Notifier } from "./notify.js";
import { clockTime, count, milliseconds, peerName, printable } from "./printable.js";
import { settingsOf, type UpOptions } from "./up-settings.js";
import { pathInWords } from "./words.js";

/** The part of a mesh that `up` uses. */
export interface UsedMesh extends Pick<Mesh, "info" | "look" | "ping" | "membership" | "close" | "putBack"> {
  on<E extends keyof MeshEvents>(event: E, listener: (...args: MeshEvents[E]) => void): unknown;
  off<E extends keyof MeshEvents>(event: E, listener: (...args: MeshEvents[E]) => void): unknown;
}

async function openMesh(options: MeshOptions): Promise<UsedMesh> {
  const { Mesh } = await import("../mesh.js");
  return await Mesh.open(options);
}

/**
 * Manages an interface until it is told to end.
 * @param open - opens a mesh; for tests
 */
export async function up(
  context: Context,
  name: string | undefined,
  options: UpOptions,
  open: (options: MeshOptions) => Promise<UsedMesh> = openMesh,
): Promise<ExitCode> {
  const { output, env, signal } = context;
  const settings = await settingsOf(name, options, env);
  const { interface: interfaceName, names, notes = [], hooks: programs = {}, metrics, ...rest } = settings;
  const path = socketPath(runtimeFolder(env), interfaceName);
  for (const note of notes) output.warn(note);
  if (options.dryRun) return await (await import("./plan.js")).plan(context, settings);
  const hooks = new Hooks({ interface: interfaceName, programs, output, env });
  await hooks.need("preUp", signal);
  const opened = await open({ interface: interfaceName, ...rest, signal }).catch((error: unknown) => {
    throw portTaken(error, settings.create?.listenPort) ?? error;
  });
  const mesh = named(opened, names);
  const ending = new AbortController();
  // The interface may disappear before a client can ask the daemon.
  mesh.on("gone", (error) => ending.abort(error));
  const notifier = new Notifier(env, () =>
    output.warn(
      "systemd waits for word of this daemon, and systemd-notify is not there: use Type=exec in the unit",
    ),
  );
  const report = new Report(context, mesh, notifier);
  let outcome: readonly string[] | Error = [];
  try {
    const control = await ControlServer.open({ path, mesh, onDown: () => ending.abort() });
    let served: AsyncDisposable | undefined;
    try {
      if (metrics !== undefined)
        served = await (await import("./metrics-server.js")).MetricsServer.open(metrics, mesh);
      await report.start();
      await hooks.need("postUp", signal);
      hooks.watch(mesh);
      await aborted(AbortSignal.any([signal, ending.signal]));
      notifier.stopping();
      report.stop();
      await hooks.end();
      await mesh.close();
      outcome = mesh.putBack;
    } catch (error) {
      outcome = error instanceof Error ? error : new Error(String(error));
      throw error;
    } finally {
      notifier.stop();
      await served?.[Symbol.asyncDispose]();
      await control.close(outcome);
    }
  } finally {
    await mesh.close();
    await hooks.after();
  }
  if (ending.signal.reason instanceof MeshError) throw ending.signal.reason;
  const event = { event: "ended", interface: interfaceName, putBack: outcome };
  await output.result(event, () => endedText(interfaceName, mesh.putBack));
  return 0;
}

/** A clear error for a port that another program uses. */
function portTaken(error: unknown, port: number | undefined): MeshError | undefined {
  if (!(error instanceof MeshError) || error.code !== "COMMAND_FAILED") return undefined;
  if (port === undefined || !/address already in use/i.test(error.message)) return undefined;
  return new MeshError(
    "COMMAND_FAILED",
    `port ${port} is taken by another program: choose another one with --listen-port`,
    { cause: error },
  );
}

/** Adds the names in the configuration to the peers. */
function named(mesh: UsedMesh, names: ReadonlyMap<string, string>): UsedMesh {
  const info = mesh.info.bind(mesh);
  mesh.info = (): MeshInfo => {
    const all = info();
    return {
      ...all,
      peers: all.peers.map((peer) => ({ ...peer, name: peer.name ?? names.get(peer.publicKey) })),
    };
  };
  return mesh;
}

/**
 * How long a new reason must last before it is printed, in ms. While a path is sought, reasons change several times a
 * second.
 */
const REASON_AFTER_MS = 3000;

/** Prints what happens, one line each. */
class Report {
  readonly #context: Context;
  readonly #mesh: UsedMesh;
  readonly #notifier: Notifier;
  /** What was last printed for each peer. */
  readonly #told = new Map<string, { readonly way: string; readonly reason: string }>();
  /** The timers of reasons that are printed if they last. */
  readonly #reasons = new Map<string, NodeJS.Timeout>();
  #candidates = "";

  constructor(context: Context, mesh: UsedMesh, notifier: Notifier) {
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
