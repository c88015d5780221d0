import { MeshError } from "./errors.js";
import type { PingAnswer } from "./info.js";
import { formatEndpoint } from "./ip/endpoint.js";
import type { PathSnapshot, Snapshot } from "./path/snapshot.js";
import type { Answered } from "./probe/prober.js";
import { roundedMs } from "./rounded.js";

/** How long to wait for answers, in ms. */
const PATIENCE_MS = 1000;

/** The running pings. Each one asks once on every path to a peer. */
export class Pings {
  readonly #waiting = new Set<(answered: Answered) => void>();

  /** Must be called for each answer to a probe. */
  answered(answered: Answered): void {
    for (const take of [...this.#waiting]) take(answered);
  }

  /**
   * Asks a peer on all its paths, the one in use first. Resolves when all have answered, or after 1 s.
   * @throws {@link MeshError} `ABORTED`
   */
  async ask(
    peer: string,
    { path, others }: Snapshot,
    probe: (path: string) => void,
    signal: AbortSignal | undefined,
  ): Promise<PingAnswer[]> {
    const asked: PathSnapshot[] = path === undefined ? [...others] : [path, ...others];
    const times = new Map<string, number>();
    const hasAll = (): boolean => asked.every(({ name }) => times.has(name));
    await new Promise<void>((resolve, reject) => {
      const stop = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(take);
        signal?.removeEventListener("abort", abort);
      };
      const end = (): void => {
        stop();
        resolve();
      };
      const abort = (): void => {
        stop();
        reject(new MeshError("ABORTED", "the ping was aborted", { cause: signal?.reason }));
      };
      const take = (answered: Answered): void => {
        if (answered.peer !== peer) return;
        times.set(formatEndpoint(answered.endpoint), roundedMs(answered.roundTripMs));
        if (hasAll()) end();
      };
      const timer = setTimeout(end, PATIENCE_MS);
      this.#waiting.add(take);
      signal?.addEventListener("abort", abort);
      if (signal?.aborted) abort();
      else if (asked.length === 0) end();
      else for (const { name } of asked) probe(name);
    });
    return asked.map(({ name, kind }) => ({
      kind,
      endpoint: name,
      isInUse: name === path?.name,
      roundTripMs: times.get(name),
    }));
  }
}
