import { spawn } from "node:child_process";
import type { Argv, Hooks as Programs } from "../config/settings.js";
import { MeshError } from "../errors.js";
import type { MeshInfo, PeerInfo } from "../info.js";
import type { Output } from "./output.js";

/** How long a program may take, ms. At the end of the daemon systemd waits as long for all of them. */
const TIMEOUT_MS = 30_000;

/** How many peers may wait for their programs: what is more is not told. */
const MAX_WAITING = 1024;

/** What hooks are run with. */
export interface HooksMeans {
  readonly interface: string;
  readonly programs: Programs;
  readonly output: Pick<Output, "json" | "warn">;
  readonly env: NodeJS.ProcessEnv;
  /** Default: 30 s. */
  readonly timeoutMs?: number;
}

/** Whose peers' changes are told. */
export interface WatchedMesh {
  info(): Pick<MeshInfo, "peers">;
  on(event: "peer", listener: (peer: PeerInfo) => void): unknown;
  off(event: "peer", listener: (peer: PeerInfo) => void): unknown;
}

/** What happened to a peer: another state, or another path in the same one. */
type PeerEvent = "peer" | "path";

/**
 * Runs the user's programs, one after the other, each with what happened in its environment. A peer that changes while
 * they run is told once, as it is then.
 */
export class Hooks {
  readonly #means: HooksMeans;
  /** Each peer as it was told last, by public key. */
  readonly #told = new Map<string, { readonly state: string; readonly path: string }>();
  readonly #waiting = new Map<string, PeerInfo>();
  #running: Promise<void> | undefined;
  #mesh: WatchedMesh | undefined;
  readonly #ending = new AbortController();

  constructor(means: HooksMeans) {
    this.#means = means;
  }

  /**
   * Runs what the start needs.
   * @throws {@link MeshError} `COMMAND_FAILED`, `MISSING_PROGRAM`, `TIMEOUT`, `ABORTED`
   */
  async need(when: "preUp" | "postUp", signal: AbortSignal): Promise<void> {
    for (const argv of this.#means.programs[when] ?? [])
      await this.#run(argv, { EVENT: when === "preUp" ? "pre-up" : "post-up" }, signal);
  }

  /** From now on peers' changes are told. */
  watch(mesh: WatchedMesh): void {
    if ((this.#means.programs.exec ?? []).length === 0) return;
    this.#mesh = mesh;
    mesh.on("peer", this.#onPeer);
    for (const peer of mesh.info().peers) this.#onPeer(peer);
  }

  /** Tells of no peer any more, and runs what is for the end; what fails is told, and keeps nothing from ending. */
  async end(): Promise<void> {
    this.#mesh?.off("peer", this.#onPeer);
    this.#waiting.clear();
    this.#ending.abort(new MeshError("CLOSED", "the daemon ends"));
    await this.#running;
    await this.#tell(this.#means.programs.preDown, { EVENT: "pre-down" });
  }

  /** Runs what is for when the interface is left as it was. */
  async after(): Promise<void> {
    await this.#tell(this.#means.programs.postDown, { EVENT: "post-down" });
  }

  readonly #onPeer = (peer: PeerInfo): void => {
    const { publicKey } = peer;
    if (this.#waiting.size >= MAX_WAITING && !this.#waiting.has(publicKey)) return;
    this.#waiting.set(publicKey, peer);
    this.#running ??= this.#tellAll().finally(() => {
      this.#running = undefined;
    });
  };

  async #tellAll(): Promise<void> {
    for (const [publicKey, peer] of this.#waiting) {
      this.#waiting.delete(publicKey);
      const event = this.#eventOf(peer);
      if (event === undefined) continue;
      // Its name is known to the daemon alone.
      const now = this.#mesh?.info().peers.find((one) => one.publicKey === publicKey) ?? peer;
      await this.#tell(this.#means.programs.exec, variablesOf(event, now), this.#ending.signal);
    }
  }

  #eventOf({ publicKey, state, path }: PeerInfo): PeerEvent | undefined {
    const now = { state, path: `${path?.kind} ${path?.endpoint}` };
    const told = this.#told.get(publicKey);
    this.#told.set(publicKey, now);
    if (told?.state !== state) return "peer";
    return told.path === now.path ? undefined : "path";
  }

  async #tell(
    programs: readonly Argv[] = [],
    variables: Readonly<Record<string, string>>,
    signal?: AbortSignal,
  ): Promise<void> {
    for (const argv of programs) {
      if (signal?.aborted) return;
      await this.#run(argv, variables, signal).catch((error: unknown) => {
        if (!signal?.aborted) this.#means.output.warn(error instanceof Error ? error.message : String(error));
      });
    }
  }

  async #run(
    argv: Argv,
    variables: Readonly<Record<string, string>>,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { interface: name, output, env, timeoutMs = TIMEOUT_MS } = this.#means;
    const [program = "", ...args] = argv;
    if (signal?.aborted) throw new MeshError("ABORTED", "aborted", { cause: signal.reason });
    const given = Object.entries({ INTERFACE: name, ...variables });
    const child = spawn(program, args, {
      env: { ...env, ...Object.fromEntries(given.map(([key, value]) => [`SIDEWIRE_MESH_${key}`, value])) },
      // What it says is for people. With --json each line of ours is an object.
      stdio: ["ignore", output.json ? "ignore" : 2, output.json ? "ignore" : 2],
      // In a group of its own: Ctrl-C for us is not for it, and what it has started ends with it.
      detached: true,
    });
    const end = (): void => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
      } catch {
        // It has just ended.
      }
    };
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      end();
    }, timeoutMs);
    signal?.addEventListener("abort", end, { once: true });
    try {
      await new Promise<void>((resolve, reject) => {
        child.once("error", (error) => reject(startError(program, error)));
        child.once("exit", (code, killedBy) => {
          if (code === 0) resolve();
          else if (isLate)
            reject(new MeshError("TIMEOUT", `the hook ${program} did not end within ${timeoutMs / 1000} s`));
          else if (signal?.aborted) reject(new MeshError("ABORTED", "aborted", { cause: signal.reason }));
          else reject(new MeshError("COMMAND_FAILED", `the hook ${program} ended with ${code ?? killedBy}`));
        });
      });
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
    }
  }
}

/** What a program is told of a peer, as environment variables. */
function variablesOf(event: PeerEvent, peer: PeerInfo): Record<string, string> {
  const { publicKey, name = "", state, path } = peer;
  return {
    EVENT: event,
    PEER: publicKey,
    NAME: name,
    STATE: state,
    PATH_KIND: path?.kind ?? "",
    ENDPOINT: path?.endpoint ?? "",
  };
}

function startError(program: string, error: NodeJS.ErrnoException): MeshError {
  const isMissing = error.code === "ENOENT";
  return new MeshError(
    isMissing ? "MISSING_PROGRAM" : "COMMAND_FAILED",
    `the hook ${program} ${isMissing ? "is not there" : `cannot be started: ${error.message}`}`,
    { cause: error },
  );
}
