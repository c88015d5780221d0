import { createSpinner, type Spinner } from "nanospinner";
import pc from "picocolors";
import type { Ending } from "./ending.js";
import { inWords } from "./failure.js";
import { jsonLine, printable } from "./printable.js";
import { type Column, table } from "./table.js";

type Colors = ReturnType<typeof pc.createColors>;

/**
 * The output of a command. Results go to stdout, everything else to stderr. With `--json` each result and each error is
 * a JSON object in a line, and remarks for people are left out.
 */
export class Output {
  readonly json: boolean;
  /** The colours for stdout and for stderr. A stream that is no terminal gets plain text. */
  readonly paint: Colors;
  readonly paintNotes: Colors;
  /**
   * Called for every write to stderr. The chat replaces this function, so that output does not break the line that is
   * being typed.
   */
  aside: (write: () => void) => void = (write) => write();
  #spinner: Spinner | undefined;

  constructor(json: boolean) {
    this.json = json;
    this.paint = colorsOf(process.stdout);
    this.paintNotes = colorsOf(process.stderr);
  }

  /** Whether a person reads stdout. */
  get isTerminal(): boolean {
    return !this.json && process.stdout.isTTY === true;
  }

  /** Writes a result. Resolves when the result is written, so that a slow reader slows the command down. */
  async result(object: object, text: () => string): Promise<void> {
    await this.line(this.json ? jsonLine(object) : text());
  }

  /** Writes an acknowledged message. If stdout fails, the message goes to stderr, so that it is not lost. */
  async message(object: object, text: () => string): Promise<void> {
    const line = this.json ? jsonLine(object) : text();
    if (await this.#write(line)) return;
    const what = "not written, as nobody reads stdout any more";
    this.#err(
      this.json ? jsonLine({ warning: what, code: "UNWRITTEN", message: object }) : `${what}: ${line}`,
    );
  }

  /** Writes a line to stdout. */
  async line(text: string): Promise<void> {
    await this.#write(text);
  }

  async #write(text: string): Promise<boolean> {
    this.#clearSpinner();
    return await new Promise((resolve) =>
      process.stdout.write(`${text}\n`, (error) => resolve(error === null || error === undefined)),
    );
  }

  /** Writes a remark for people. */
  note(text: string): void {
    if (!this.json) this.#err(text);
  }

  /** Writes a warning; the command goes on. */
  warn(code: string, message: string, fields: object = {}): void {
    const text = `${this.paintNotes.yellow("!")} ${printable(message)}`;
    this.#err(this.json ? jsonLine({ warning: message, code, ...fields }) : text);
  }

  /** Writes why the command ends: one line, and a table of the brokers if they are the reason. */
  fail({ code, message, brokers }: Ending, usage: boolean): void {
    if (this.json) {
      this.#err(jsonLine({ error: message, code, ...(brokers === undefined ? {} : { brokers }) }));
      return;
    }
    const hint = usage ? " (see --help)" : "";
    this.#err(`${this.paintNotes.red("sidewire:")} ${printable(message)}${hint}`);
    if (brokers === undefined || brokers.length === 0) return;
    const rows = brokers.map(({ family, host, error }) => [family, host, inWords(error)]);
    this.#err(this.notesTable(["family", "broker", "reason"], rows));
  }

  /** A table for stdout. */
  table(head: readonly Column[], rows: readonly (readonly string[])[]): string {
    return table(head, rows, this.paint.dim, process.stdout.columns);
  }

  /** A table for stderr. */
  notesTable(head: readonly Column[], rows: readonly (readonly string[])[]): string {
    return table(head, rows, this.paintNotes.dim, process.stderr.columns);
  }

  /** Shows a spinner to a person while some work is running. */
  async waiting<T>(text: string, work: (update: (text: string) => void) => Promise<T>): Promise<T> {
    if (!this.#canSpin) return await work(() => {});
    // Not `start`, which would end the process on SIGINT.
    const spinner = createSpinner(text, { stream: process.stderr, color: "cyan" }).loop();
    this.#spinner = spinner;
    try {
      return await work((newText) => spinner.update(newText));
    } finally {
      this.#clearSpinner();
    }
  }

  get #canSpin(): boolean {
    // The spinner itself checks stdout and CI. Where it cannot move, it would write a line for every frame.
    return this.isTerminal && process.stderr.isTTY && process.env.TERM !== "dumb" && !("CI" in process.env);
  }

  #clearSpinner(): void {
    this.#spinner?.stop();
    this.#spinner = undefined;
  }

  #err(text: string): void {
    this.#clearSpinner();
    this.aside(() => process.stderr.write(`${text}\n`));
  }
}

function colorsOf(stream: NodeJS.WriteStream): Colors {
  // hasColors respects NO_COLOR and TERM. Only terminals have this function.
  return pc.createColors(stream.isTTY === true && stream.hasColors());
}
