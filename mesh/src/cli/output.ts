import pc from "picocolors";
import type { Ending } from "./failure.js";
import { isJournal, type Level, withLevel } from "./journal-level.js";
import { jsonLine, printable } from "./printable.js";

type Colors = ReturnType<typeof pc.createColors>;

/**
 * The output of a command. Results go to stdout, everything else to stderr. With `--json` each result and each error is
 * a JSON object in a line, and remarks for people are left out.
 *
 * A stream that goes to the journal gets the level of each line before it, also with `--json`: only journald reads this
 * stream, and it keeps the line without the level. So `journalctl -p warning` finds warnings and errors.
 */
export class Output {
  readonly json: boolean;
  /** The colours for stdout and for stderr. A stream that is no terminal gets plain text. */
  readonly paint: Colors;
  readonly paintNotes: Colors;
  readonly #out: NodeJS.WriteStream;
  readonly #err: NodeJS.WriteStream;
  readonly #isOutJournal: boolean;
  readonly #isErrJournal: boolean;

  constructor(
    json: boolean,
    out: NodeJS.WriteStream = process.stdout,
    err: NodeJS.WriteStream = process.stderr,
    env: NodeJS.ProcessEnv = process.env,
  ) {
    this.json = json;
    this.#out = out;
    this.#err = err;
    this.#isOutJournal = isJournal(out, env);
    this.#isErrJournal = isJournal(err, env);
    this.paint = colorsOf(out);
    this.paintNotes = colorsOf(err);
  }

  /** The width of the terminal that a person reads; undefined without a terminal. */
  get columns(): number | undefined {
    return this.#out.isTTY ? this.#out.columns : undefined;
  }

  /** Writes a result. Resolves when the result is written, so that a slow reader slows the command down. */
  async result(object: object, text: () => string): Promise<void> {
    await this.write(`${this.json ? jsonLine(object) : text()}\n`);
  }

  /** Writes a text to stdout. */
  async write(text: string): Promise<void> {
    const written = this.#isOutJournal ? withLevel(text, "info") : text;
    await new Promise<void>((resolve) => this.#out.write(written, () => resolve()));
  }

  /** Writes a remark for people. */
  note(text: string): void {
    if (!this.json) this.#say(text, "info");
  }

  /** Writes a warning; the command goes on. */
  warn(message: string): void {
    const text = `${this.paintNotes.yellow("!")} ${printable(message)}`;
    this.#say(this.json ? jsonLine({ warning: message }) : text, "warning");
  }

  /** Writes why the command ends, in one line. */
  fail({ code, message }: Ending): void {
    const hint = code === "USAGE" ? " (see --help)" : "";
    const text = `${this.paintNotes.red("sidewire-mesh:")} ${printable(message)}${hint}`;
    this.#say(this.json ? jsonLine({ error: message, code }) : text, "error");
  }

  #say(text: string, level: Level): void {
    this.#err.write(`${this.#isErrJournal ? withLevel(text, level) : text}\n`);
  }
}

function colorsOf(stream: NodeJS.WriteStream): Colors {
  // hasColors respects NO_COLOR and TERM. Only terminals have this function.
  return pc.createColors(stream.isTTY === true && stream.hasColors());
}
