import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { onTestFinished } from "vitest";
import type { FloodEvent, Flooded, FloodOrder } from "./flooder.js";
import type { PartyEvent, PartyOrder, Report, Sends } from "./party.js";

/** Where plain scripts are made of the two files: inside the package, so that they find its dependencies. */
const FOLDER: string = fileURLToPath(
  new URL(`../../../node_modules/.cache/sidewire-flood-${process.pid}/`, import.meta.url),
);

/** Makes them, so that three dozen processes need not each compile the library. */
export async function buildProcesses(): Promise<void> {
  await build({
    entryPoints: ["party.ts", "flooder.ts"].map((file) => fileURLToPath(new URL(file, import.meta.url))),
    outdir: FOLDER,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    packages: "external",
    platform: "node",
    format: "esm",
    sourcemap: "inline",
  });
}

/** Removes what {@link buildProcesses} made. */
export function removeProcesses(): void {
  rmSync(FOLDER, { recursive: true, force: true });
}

/** A process of the test's own that answers each order with one event. */
class Worker<Order extends object, Event> {
  readonly #child: ChildProcess;

  constructor(file: string, execArgv: readonly string[] = []) {
    const child = fork(FOLDER + file, {
      execArgv: ["--enable-source-maps", ...execArgv],
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    this.#child = child;
    onTestFinished(async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, "exit");
      // Both files end with their channel, also when the test's process is killed.
      child.disconnect();
      await gone;
    });
  }

  /** Rejects when the process ends instead. */
  async obey(order: Order): Promise<Event> {
    const over = new AbortController();
    const { signal } = over;
    const gone = once(this.#child, "exit", { signal }).then(([code]) => {
      throw new Error(`the process ended with ${String(code)}`);
    });
    this.#child.send(order);
    const answered = once(this.#child, "message", { signal });
    try {
      const [event] = await Promise.race([answered, gone]);
      // The files that are run here send nothing else.
      return event as Event;
    } finally {
      gone.catch(() => {});
      answered.catch(() => {});
      over.abort();
    }
  }
}

/** Somebody on the broker, with the library or without. */
export class Party {
  readonly address: string;
  readonly #worker: Worker<PartyOrder, PartyEvent>;

  private constructor(worker: Worker<PartyOrder, PartyEvent>, address: string) {
    this.#worker = worker;
    this.address = address;
  }

  static async start(
    order: Omit<Extract<PartyOrder, { do: "start" }>, "do">,
    execArgv?: string[],
  ): Promise<Party> {
    const worker = new Worker<PartyOrder, PartyEvent>("party.mjs", execArgv);
    const event = await worker.obey({ do: "start", ...order });
    if (event.event !== "ready") throw new Error(`${event.event} instead of ready`);
    return new Party(worker, event.address);
  }

  /** Sends one message after the other. */
  async send(to: string, ms: number, isApart = false): Promise<Sends> {
    const event = await this.#worker.obey({ do: "send", to, ms, isApart });
    if (event.event !== "sent") throw new Error(`${event.event} instead of sent`);
    return event.sends;
  }

  /** What happened since the last report. */
  async report(): Promise<Report> {
    const event = await this.#worker.obey({ do: "report" });
    if (event.event !== "report") throw new Error(`${event.event} instead of report`);
    return event.report;
  }
}

/** Strangers with much to say. */
export class Flooder {
  readonly #worker = new Worker<FloodOrder, FloodEvent>("flooder.mjs");

  async make(order: Omit<Extract<FloodOrder, { do: "make" }>, "do">): Promise<void> {
    await this.#worker.obey({ do: "make", ...order });
  }

  /** Resolves when everything is written. */
  async flood(order: Omit<Extract<FloodOrder, { do: "flood" }>, "do">): Promise<Flooded> {
    const event = await this.#worker.obey({ do: "flood", ...order });
    if (event.event !== "done") throw new Error(`${event.event} instead of done`);
    return event;
  }
}
