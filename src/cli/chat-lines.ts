import { createInterface } from "node:readline";
import type { InboundMessage } from "sidewire";
import type { ChatView, Fate, PresenceState } from "./chat-view.js";
import { messageLine, messageObject, sealedWord } from "./message-object.js";
import type { Output } from "./output.js";
import type { People } from "./people.js";
import { printable } from "./printable.js";

/**
 * A chat through pipes: one output line for each message. A sent line is printed when its result is known; sent lines
 * keep their order.
 */
export class LineView implements ChatView {
  readonly #output: Output;
  readonly #people: People;
  #told: Promise<void> = Promise.resolve();

  constructor(output: Output, people: People) {
    this.#output = output;
    this.#people = people;
  }

  async *lines(signal: AbortSignal): AsyncIterable<string> {
    const input = createInterface({ input: process.stdin, signal });
    try {
      yield* input;
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      input.close();
    }
  }

  sending(text: string): (fate: Fate) => Promise<void> {
    const before = this.#told;
    let tell: (fate: Fate) => void = () => {};
    const known = new Promise<Fate>((resolve) => {
      tell = resolve;
    });
    this.#told = before.then(async () => this.#sent(text, await known));
    const told = this.#told;
    return (fate) => {
      tell(fate);
      return told;
    };
  }

  received(message: InboundMessage): Promise<void> {
    const time = new Date();
    return this.#output.message(messageObject(message, time, this.#people), () =>
      messageLine(this.#output, message, time, this.#people),
    );
  }

  presence(state: PresenceState): void {
    const output = this.#output;
    if (output.json) void output.result({ event: "presence", ...state }, () => "");
    else output.note(state.present ? "● there" : "○ not there");
  }

  close(): void {
    // An open stdin would keep the process alive.
    process.stdin.destroy();
  }

  #sent(text: string, fate: Fate): Promise<void> {
    const time = new Date().toISOString();
    const fields = fate.delivered
      ? fate
      : { delivered: false, sealed: fate.sealed, code: fate.code, error: fate.reason };
    return this.#output.result({ event: "sent", time, text, ...fields }, () =>
      [time, fate.delivered ? "✓" : `✗ ${fate.reason}`, sealedWord(fate.sealed), printable(text)].join("\t"),
    );
  }
}
