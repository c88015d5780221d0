import { clearScreenDown, createInterface, type Interface, moveCursor } from "node:readline";
import type { InboundMessage } from "sidewire";
import stringWidth from "string-width";
import type { ChatView, Fate, PresenceState } from "./chat-view.js";
import { sealedSign } from "./message-object.js";
import type { Output } from "./output.js";
import type { People } from "./people.js";
import { clockTime, hung, milliseconds, printable, shown } from "./printable.js";

/** A typed line that is shown below the history, because the line or an earlier one has no result yet. */
interface Pending {
  readonly time: string;
  readonly text: string;
  fate: Fate | undefined;
}

const PROMPT = "› ";

/**
 * A chat at a terminal. The history is at the top, then the lines without a result, then the line that is being typed.
 * Lines move into the history in the order in which they were sent, with their marks.
 */
export class TerminalView implements ChatView {
  readonly #output: Output;
  readonly #people: People;
  readonly #name: string;
  readonly #sealed: boolean;
  readonly #input: Interface;
  readonly #pending: Pending[] = [];
  /** The number of rows that the pending lines take on the screen. */
  #rows = 0;
  #open = true;

  constructor(output: Output, people: People, to: string, sealed: boolean, onInterrupt: () => void) {
    this.#output = output;
    this.#people = people;
    this.#sealed = sealed;
    this.#name = people.short(to);
    this.#input = createInterface({
      input: process.stdin,
      output: process.stdout,
      prompt: PROMPT,
      terminal: true,
    });
    this.#input.on("SIGINT", onInterrupt);
    output.aside = (write) => this.#redraw(write);
  }

  async *lines(signal: AbortSignal): AsyncIterable<string> {
    const typed: string[] = [];
    let wake: () => void = () => {};
    let ended = signal.aborted;
    const end = (): void => {
      ended = true;
      wake();
    };
    this.#input.on("line", (line) => {
      // The terminal shows the typed line above the cursor. It is removed here, and drawn again with its mark.
      this.#redraw(() => {}, this.#rowsOf(PROMPT + line));
      typed.push(line);
      wake();
    });
    this.#input.on("close", end);
    signal.addEventListener("abort", end, { once: true });
    this.#input.prompt();
    while (!ended || (typed.length > 0 && !signal.aborted)) {
      const line = typed.shift();
      if (line === undefined) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        continue;
      }
      yield line;
    }
  }

  sending(text: string): (fate: Fate) => Promise<void> {
    const pending: Pending = { time: clockTime(), text, fate: undefined };
    this.#redraw(() => this.#pending.push(pending));
    return async (fate) => {
      this.#redraw(() => {
        pending.fate = fate;
      });
    };
  }

  async received(message: InboundMessage): Promise<void> {
    const { paint } = this.#output;
    const from = paint.cyan(this.#people.short(message.from));
    const head = `${paint.dim(clockTime())}   ${from} ${sealedSign(paint, message.sealed)}  `;
    this.#say(hung(head, shown(message.data), process.stdout.columns));
  }

  presence(state: PresenceState): void {
    const { paint } = this.#output;
    const far =
      state.present && state.roundTripMs !== undefined ? `, ${milliseconds(state.roundTripMs)} away` : "";
    const text = state.present ? `● ${this.#name} is there${far}` : `○ ${this.#name} is not there`;
    this.#say(paint.dim(hung(`${clockTime()}   `, text, process.stdout.columns)));
  }

  close(): void {
    if (!this.#open) return;
    // Lines without a result stay on the screen as they are.
    this.#redraw(() => {});
    this.#open = false;
    this.#input.close();
    process.stdout.write("\n");
    process.stdin.destroy();
  }

  #say(line: string): void {
    this.#redraw(() => this.#write(line));
  }

  /** Removes everything below the history, makes the change, and draws everything again. */
  #redraw(change: () => unknown, typedRows = 0): void {
    if (!this.#open) {
      change();
      return;
    }
    const { rows } = this.#input.getCursorPos();
    process.stdout.write("\r");
    moveCursor(process.stdout, 0, -(rows + typedRows + this.#rows));
    clearScreenDown(process.stdout);
    change();
    while (this.#pending[0]?.fate !== undefined) {
      const [settled] = this.#pending.splice(0, 1);
      if (settled !== undefined) this.#write(this.#lineOf(settled));
    }
    this.#rows = 0;
    for (const pending of this.#pending) {
      const line = this.#lineOf(pending);
      this.#write(line);
      this.#rows += this.#rowsOf(line);
    }
    // Readline would move the cursor up by the rows that it drew last, but these rows were removed.
    Reflect.set(this.#input, "prevRows", 0);
    this.#input.prompt(true);
  }

  #lineOf({ time, text, fate }: Pending): string {
    const { paint } = this.#output;
    const sign = sealedSign(paint, this.#sealed);
    const line = (mark: string, more = ""): string => {
      const head = `${paint.dim(time)} ${mark} ${paint.bold("you")} ${sign}  `;
      return hung(head, printable(text) + more, process.stdout.columns);
    };
    if (fate === undefined) return line(paint.dim("…"));
    if (fate.delivered) return line(paint.green("✓"));
    return line(paint.red("✗"), ` (${fate.reason})`);
  }

  #write(line: string): void {
    process.stdout.write(`${line}\n`);
  }

  #rowsOf(lines: string): number {
    const rowsOf = (line: string): number =>
      Math.max(1, Math.ceil(stringWidth(line) / (process.stdout.columns || 80)));
    return lines.split("\n").reduce((sum, line) => sum + rowsOf(line), 0);
  }
}
