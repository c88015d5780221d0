import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { forkProgram } from "../../support/forked.js";
import type { FloodEvent, Flooded, FloodOrder } from "./flooder.js";
import type { PartyEvent, PartyOrder, Report, Sends } from "./party.js";

/** A process of the test's own that answers each order with one event. */
class Worker<Order extends object, Event> {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async start<Order extends object, Event>(
    program: string,
    execArgv: readonly string[] = [],
  ): Promise<Worker<Order, Event>> {
    // A profile is written at an exit.
    const child = await forkProgram(new URL(program, import.meta.url), { execArgv, isGraceful: true });
    return new Worker(child);
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
    execArgv?: readonly string[],
  ): Promise<Party> {
    const worker = await Worker.start<PartyOrder, PartyEvent>("./party.ts", execArgv);
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
  readonly #worker: Worker<FloodOrder, FloodEvent>;

  private constructor(worker: Worker<FloodOrder, FloodEvent>) {
    this.#worker = worker;
  }

  static async start(): Promise<Flooder> {
    return new Flooder(await Worker.start<FloodOrder, FloodEvent>("./flooder.ts"));
  }

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
