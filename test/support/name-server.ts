import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";

/** What a name server says of a name: its addresses of the version that was asked for, that there is no such name, or nothing. */
export type Saying = (name: string, version: 4 | 6) => readonly string[] | "no such name" | "nothing";

const TYPE = { 4: 1, 6: 28 } as const; // A, AAAA (RFC 1035, RFC 3596)
const HEADER_BYTES = 12;
const NO_SUCH_NAME = 3;

/** A name server on loopback (RFC 1035) for questions about addresses. */
export class NameServer {
  readonly #socket: Socket;
  readonly questions: string[] = [];

  private constructor(socket: Socket, says: Saying) {
    this.#socket = socket;
    socket.on("message", (question, { port, address }) => {
      const answer = this.#answerTo(question, says);
      if (answer !== undefined) socket.send(answer, port, address);
    });
  }

  static async start(says: Saying, host = "127.0.0.1"): Promise<NameServer> {
    const socket = createSocket("udp4");
    socket.bind(0, host);
    await once(socket, "listening");
    return new NameServer(socket, says);
  }

  /** As `setServers` takes it. */
  get name(): string {
    const { address, port } = this.#socket.address();
    return `${address}:${port}`;
  }

  /** Resolves when it is asked something. */
  async asked(): Promise<void> {
    await once(this.#socket, "message");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close();
    await once(this.#socket, "close");
  }

  #answerTo(question: Buffer, says: Saying): Buffer | undefined {
    const labels: string[] = [];
    let at = HEADER_BYTES;
    for (let length = question.readUInt8(at); length > 0; length = question.readUInt8(at)) {
      labels.push(question.toString("latin1", at + 1, at + 1 + length));
      at += 1 + length;
    }
    const version = question.readUInt16BE(at + 1) === TYPE[6] ? 6 : 4;
    const name = labels.join(".");
    this.questions.push(`${name} ${version}`);
    const said = says(name, version);
    if (said === "nothing") return undefined;
    const addresses = said === "no such name" ? [] : said;
    const head = Buffer.from(question.subarray(0, at + 5));
    head.writeUInt16BE(0x8180 | (said === "no such name" ? NO_SUCH_NAME : 0), 2);
    head.writeUInt16BE(addresses.length, 6);
    head.fill(0, 8, HEADER_BYTES);
    const records = addresses.map((address) => {
      const bytes = bytesOf(address);
      const record = Buffer.alloc(HEADER_BYTES);
      record.writeUInt16BE(0xc000 | HEADER_BYTES, 0); // the name in the question
      record.writeUInt16BE(TYPE[version], 2);
      record.writeUInt16BE(1, 4);
      record.writeUInt32BE(60, 6);
      record.writeUInt16BE(bytes.length, 10);
      return Buffer.concat([record, bytes]);
    });
    return Buffer.concat([head, ...records]);
  }
}

/** Of IPv6 only what has a single `::` before its last group. */
function bytesOf(address: string): Buffer {
  if (!address.includes(":")) return Buffer.from(address.split(".").map(Number));
  const [high = "", low = ""] = address.split("::");
  const bytes = Buffer.alloc(16);
  for (const [i, group] of high.split(":").filter(Boolean).entries())
    bytes.writeUInt16BE(Number.parseInt(group, 16), 2 * i);
  bytes.writeUInt16BE(Number.parseInt(low, 16), 14);
  return bytes;
}
