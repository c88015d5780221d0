import { fileURLToPath } from "node:url";
import type { LongRunning } from "../../lab/index.js";

const PROGRAM = fileURLToPath(new URL("udp-program.mjs", import.meta.url));

/** Where a program runs. */
interface Place {
  spawn(argv: readonly string[]): LongRunning;
}

/** Where something was seen to come from. */
export interface Seen {
  readonly address: string;
  readonly port: number;
}

/** A UDP socket in a namespace. */
export class UdpPeer implements AsyncDisposable {
  readonly host: string;
  readonly port: number;
  readonly #process: LongRunning;
  static #texts = 0;

  private constructor(host: string, port: number, process: LongRunning) {
    this.host = host;
    this.port = port;
    this.#process = process;
  }

  static async open(place: Place, host: string, port: number): Promise<UdpPeer> {
    const process = place.spawn([globalThis.process.execPath, PROGRAM, host, `${port}`]);
    const [, bound] = await process.wrote(/^bound (\d+)$/m);
    return new UdpPeer(host, Number(bound), process);
  }

  /** Sends a text that is like no other, and returns it. It begins with these letters, a byte each. */
  send({ address, port }: Seen, head = ""): string {
    const text = `${head}text-${UdpPeer.#texts++}-`;
    this.#process.write(`${address} ${port} ${text}\n`);
    return text;
  }

  /** Resolves when a text has left. */
  async sent(text: string): Promise<void> {
    await this.#process.wrote(new RegExp(`^sent .*${text.slice(text.lastIndexOf("text-"))}$`, "m"));
  }

  /** Sends a text to another socket, and returns where that saw it come from. */
  async reach(other: UdpPeer, to: Seen = other.at): Promise<Seen> {
    return await other.got(this.send(to));
  }

  /** Waits for a text, and returns where it came from. */
  async got(text: string, timeoutMs = 5000): Promise<Seen> {
    const [, address = "", port] = await this.#process.wrote(
      new RegExp(`^got (\\S+) (\\d+) ${text}$`, "m"),
      timeoutMs,
    );
    return { address, port: Number(port) };
  }

  /** Whether a text has come so far. */
  has(text: string): boolean {
    return this.#process.log.split("\n").some((line) => line.startsWith("got ") && line.endsWith(text));
  }

  get at(): Seen {
    return { address: this.host, port: this.port };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process.kill();
  }
}
