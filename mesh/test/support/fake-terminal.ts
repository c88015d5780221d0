import { Writable } from "node:stream";
import type { Context } from "../../src/cli/context.js";
import { Output } from "../../src/cli/output.js";

/** Where a command says something, in the test's own process. */
export class FakeTerminal {
  out = "";
  err = "";
  readonly #abort = new AbortController();
  readonly #changed = new Set<() => void>();

  /** @param columns - of the terminal; undefined when it is none */
  context({
    json = false,
    columns,
    env = {},
  }: {
    json?: boolean;
    columns?: number;
    env?: NodeJS.ProcessEnv;
  } = {}): Context {
    const stream = (name: "out" | "err"): NodeJS.WriteStream => {
      const writable = new Writable({
        write: (chunk, _, done) => {
          this[name] += chunk;
          for (const changed of this.#changed) changed();
          done();
        },
      });
      // Only what Output looks at.
      return Object.assign(writable, {
        isTTY: columns !== undefined,
        columns,
        hasColors: () => true,
      }) as unknown as NodeJS.WriteStream;
    };
    const output = new Output(json, stream("out"), stream("err"));
    return { output, env, signal: this.#abort.signal };
  }

  /** As Ctrl-C does. */
  interrupt(): void {
    this.#abort.abort();
  }

  /** Resolves once something was said. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      await new Promise<void>((resolve) => {
        const changed = (): void => {
          this.#changed.delete(changed);
          resolve();
        };
        this.#changed.add(changed);
      });
    }
  }
}
