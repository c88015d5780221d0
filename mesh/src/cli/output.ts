import pc from "picocolors";
import type { Ending } from "./failure.js";
import { jsonLine, printable } from "./printable.js";

type Colors = ReturnType<typeof pc.createColors>;

/**
 * What a command says: results on stdout, everything else on stderr. With `--json` both are one object a line, and
 * remarks for people are left out.
 */
export class Output {
  readonly json: boolean;
  /** Colours for stdout, and for stderr; plain where that is not a terminal. */
  readonly paint: Colors;
  readonly paintNotes: Colors;
  readonly #out: NodeJS.WriteStream;
  readonly #err: NodeJS.WriteStream;

  constructor(
    json: boolean,
    out: NodeJS.WriteStream = process.stdout,
    err: NodeJS.WriteStream = process.stderr,
  ) {
    this.json = json;
    this.#out = out;
    this.#err = err;
    this.paint = colorsOf(out);
    this.paintNotes = colorsOf(err);
  }

  /** Of the terminal that a person reads; undefined where nobody does. */
  get columns(): number | undefined {
    return this.#out.isTTY ? this.#out.columns : undefined;
  }

  /** A result. Resolves once it is written, so that a slow reader slows the writer down. */
  async result(object: object, text: () => string): Promise<void> {
    await this.write(`${this.json ? jsonLine(object) : text()}\n`);
  }

  /** Writes on stdout as it is. */
  async write(text: string): Promise<void> {
    await new Promise<void>((resolve) => this.#out.write(text, () => resolve()));
  }

  /** A remark for people. */
  note(text: string): void {
    if (!this.json) this.#err.write(`${text}\n`);
  }

  /** Something that does not end the command. */
  warn(message: string): void {
    const text = `${this.paintNotes.yellow("!")} ${printable(message)}`;
    this.#err.write(`${this.json ? jsonLine({ warning: message }) : text}\n`);
  }

  /** Why the command ends, in one line. */
  fail({ code, message }: Ending): void {
    const hint = code === "USAGE" ? " (see --help)" : "";
    const text = `${this.paintNotes.red("sidewire-mesh:")} ${printable(message)}${hint}`;
    this.#err.write(`${this.json ? jsonLine({ error: message, code }) : text}\n`);
  }
}

function colorsOf(stream: NodeJS.WriteStream): Colors {
  // hasColors looks at NO_COLOR and TERM; only a terminal has it.
  return pc.createColors(stream.isTTY === true && stream.hasColors());
}
