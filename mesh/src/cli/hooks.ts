import { spawn } from "node:child_process";
import type { Argv, Hooks as Programs } from "../config/settings.js";
import { MeshError } from "../errors.js";
import type { MeshInfo, PeerInfo } from "../info.js";
import type { Output } from "./output.js";

/** How long one program may run, in ms. At the end of the daemon, systemd waits this long for all programs together. */
const TIMEOUT_MS = 30_000;

/** The maximum number of peers whose changes wait for the programs. Changes of further peers are not told. */
const MAX_WAITING = 1024;

/** What hooks need. */
export interface HooksMeans {
  readonly interface: string;
  readonly programs: Programs;
  readonly output: Pick<Output, "json" | "warn">;
  readonly env: NodeJS.ProcessEnv;
  /** Default: 30 s. */
  readonly timeoutMs?: number;
}

/** The part of a mesh that hooks use. */
export interface WatchedMesh {
  info(): Pick<MeshInfo, "peers">;
  on(event: "peer", listener: (peer: PeerInfo) => void): unknown;
  off(event: "peer", listener: (peer: PeerInfo) => void): unknown;
}

/** The event of a peer: `peer` for another state, `path` for another path in the same state. */
type PeerEvent = "peer" | "path";

/**
 * Runs the user's programs, one after the other. Each program gets the event in its environment. If a peer changes
 * several times while programs run, they are told once, with the latest state.
 */
export class Hooks {
  readonly #means: HooksMeans;
  #programs: Programs;
  /** The last told state of each peer, by public key. */
  readonly #told = new Map<string, { readonly state: string; readonly path: string }>();
  readonly #waiting = new Map<string, PeerInfo>();
  #running: Promise<void> | undefined;
  #mesh: WatchedMesh | undefined;
  readonly #ending = new AbortController();

  constructor(means: HooksMeans) {
    this.#means = means;
    this.#programs = means.programs;
  }

  /** Runs other programs from now on. */
  use(programs: Programs): void {
    this.#programs = programs;
  }

  /**
   * Runs the programs of the start. The start fails if one of the programs fails.
   * @throws {@link MeshError} `COMMAND_FAILED`, `MISSING_PROGRAM`, `TIMEOUT`, `ABORTED`
   */
  async need(when: "preUp" | "postUp", signal: AbortSignal): Promise<void> {
    for (const argv of this.#programs[when] ?? [])
      await this.#run(argv, { EVENT: when === "preUp" ? "pre-up" : "post-up" }, signal);
  }

  /** Tells the programs about the peers now, and about their changes from now on. */
  watch(mesh: WatchedMesh): void {
    this.#mesh = mesh;
    mesh.on("peer", this.#onPeer);
    for (const peer of mesh.info().peers) this.#onPeer(peer);
  }

  /** Stops telling about peers, and runs the programs of the end. If a program fails, there is only a warning. */
  async end(): Promise<void> {
    this.#mesh?.off("peer", this.#onPeer);
    this.#waiting.clear();
    this.#ending.abort(new MeshError("CLOSED", "the daemon ends"));
    await this.#running;
    await this.#tell(this.#programs.preDown, { EVENT: "pre-down" });
  }

  /** Runs the programs that must run when the interface is as it was before. */
  async after(): Promise<void> {
    await this.#tell(this.#programs.postDown, { EVENT: "post-down" });
  }

  readonly #onPeer = (peer: PeerInfo): void => {
    const { publicKey } = peer;
    if (this.#waiting.size >= MAX_WAITING && !this.#waiting.has(publicKey)) return;
    this.#waiting.set(publicKey, peer);
    this.#begin();
  };

  #begin(): void {
    this.#running ??= this.#tellAll().finally(() => {
      this.#running = undefined;
      // A peer may have changed after the last one was told, and before this.
      if (this.#waiting.size > 0 && !this.#ending.signal.aborted) this.#begin();
    });
  }

  async #tellAll(): Promise<void> {
    for (const [publicKey, peer] of this.#waiting) {
      this.#waiting.delete(publicKey);
      const event = this.#eventOf(peer);
      if (event === undefined) continue;
      // The event does not contain the name of the peer.
      const now = this.#mesh?.info().peers.find((one) => one.publicKey === publicKey) ?? peer;
      await this.#tell(this.#programs.exec, variablesOf(event, now), this.#ending.signal);
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
      // The output of the program is for people. With --json, each line of output must be an object.
      stdio: ["ignore", output.json ? "ignore" : 2, output.json ? "ignore" : 2],
      // In a process group of its own, the program does not get Ctrl-C, and can be killed with all its children.
      detached: true,
    });
    const end = (): void => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
      } catch {
        // The program has just ended.
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

/** The environment variables that tell a program about a peer. */
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
