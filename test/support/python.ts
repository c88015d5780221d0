import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const SCRIPT: string = fileURLToPath(new URL("../python/peer.py", import.meta.url));

/** How long it may take to start, and to leave, before it is killed, ms. */
const START_MS = 15_000;
const GOODBYE_MS = 2000;

interface BrokerPlace {
  readonly host: string;
  readonly port: number;
}

/** A message that the peer showed. */
export interface PythonMessage {
  readonly from: string;
  readonly queueId: string;
  readonly sequence: number;
  readonly data: Uint8Array;
  /** What its application would be handed: bytes that are not UTF-8 have vanished. */
  readonly text: string;
}

/** A message or probe that the peer sent. */
export interface PythonSent {
  readonly queueId: string;
  readonly sequence: number;
  /** Hexadecimal, one for each broker that it was published on. */
  readonly signatures: readonly string[];
  /** The hosts of the brokers that an ACK came by; grows. */
  readonly acknowledgedBy: ReadonlySet<string>;
}

export interface PythonSendOptions {
  /** A queue for this message alone, or one in which each message waits for the ACK of the one before. */
  readonly queue: "fresh" | "counted";
  readonly qos: 0 | 1;
  /** How many of its ACKs get lost. Default: 0. */
  readonly lose?: number;
}

/** What `test/python/peer.py` says. */
type PeerEvent =
  | { event: "ready"; address: string }
  | { event: "listening" }
  | { event: "muted" }
  | { event: "sent"; id: number; queueId: string; sequence: number; signatures: string[] }
  | { event: "acknowledged"; id: number; broker: string }
  | { event: "unacknowledged"; id: number }
  | { event: "message"; from: string; queueId: string; sequence: number; data: string; text: string }
  | { event: "answered" }
  | { event: "dropped"; reason: string }
  | { event: "failed"; error: string };

interface Outgoing extends PythonSent {
  queueId: string;
  sequence: number;
  signatures: readonly string[];
  readonly acknowledgedBy: Set<string>;
  gaveUp: boolean;
}

interface Waiting {
  readonly holds: () => boolean;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** A process of `test/python/peer.py`, with a key of its own. */
export class PythonPeer implements AsyncDisposable {
  /** What it showed so far, in order. */
  readonly messages: PythonMessage[] = [];
  /** Why it dropped packets. */
  readonly dropped: string[] = [];
  /** How many ACKs it published. */
  answers = 0;
  /** 66 hex characters. */
  address = "";
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #gone: Promise<void>;
  readonly #outgoing: Outgoing[] = [];
  readonly #waiting = new Set<Waiting>();
  #listening = false;
  #muted = false;
  #log = "";
  #failure: Error | undefined;

  private constructor(python: string) {
    const child = spawn(python, [SCRIPT]);
    this.#child = child;
    this.#gone = new Promise((resolve) => {
      child.once("error", (error) => {
        this.#fail(`does not start: ${error.message}`);
        resolve();
      });
      child.once("close", (code, signal) => {
        this.#fail(`ended with ${code ?? signal}`);
        resolve();
      });
    });
    child.stderr.on("data", (chunk: Buffer) => {
      this.#log = (this.#log + chunk.toString()).slice(-4096);
    });
    // A write to a process that has ended; how it ended is known from its end.
    child.stdin.on("error", () => {});
    createInterface({ input: child.stdout }).on("line", (line) => {
      // The peer writes these events and nothing else, one in each line.
      this.#take(JSON.parse(line) as PeerEvent);
      this.#look();
    });
  }

  /** Starts one; disposing of it ends it. */
  static async start(python: string): Promise<PythonPeer> {
    const peer = new PythonPeer(python);
    const timer = setTimeout(() => peer.#child.kill("SIGKILL"), START_MS);
    try {
      await peer.until(() => peer.address !== "");
      return peer;
    } catch (error) {
      await peer[Symbol.asyncDispose]();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Resolves once it is subscribed on all of them. */
  async listen(brokers: readonly BrokerPlace[]): Promise<void> {
    this.#listening = false;
    this.#tell({ do: "listen", brokers: brokers.map(({ host, port }) => ({ host, port })) });
    await this.until(() => this.#listening);
  }

  /** Sends by all its brokers; resolves with the first ACK. */
  send(to: string, data: Uint8Array, options: PythonSendOptions): Promise<PythonSent> {
    return this.#send({ do: "send", to, data: Buffer.from(data).toString("hex"), ...options });
  }

  /** Probes by one broker; resolves with the first ACK. */
  probe(to: string, { host, port }: BrokerPlace): Promise<PythonSent> {
    return this.#send({ do: "probe", to, by: [`${host}:${port}`] });
  }

  /** Leaves the next packets without an ACK, as if it were lost. */
  async mute(answers: number): Promise<void> {
    this.#muted = false;
    this.#tell({ do: "mute", answers });
    await this.until(() => this.#muted);
  }

  /** Resolves once the condition holds, looked at after every event; rejects when the peer fails. */
  until(holds: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.add({ holds, resolve, reject });
      this.#look();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // The end of its input is the end of the peer.
    this.#child.stdin.end();
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), GOODBYE_MS);
    await this.#gone;
    clearTimeout(timer);
  }

  async #send(command: Record<string, unknown>): Promise<PythonSent> {
    const id = this.#outgoing.length;
    const sent = {
      queueId: "",
      sequence: -1,
      signatures: [],
      acknowledgedBy: new Set<string>(),
      gaveUp: false,
    };
    this.#outgoing.push(sent);
    this.#tell({ ...command, id });
    await this.until(() => sent.acknowledgedBy.size > 0 || sent.gaveUp);
    if (sent.gaveUp) throw new Error(`the Python peer got no ACK for ${sent.queueId}/${sent.sequence}`);
    return sent;
  }

  #tell(command: Record<string, unknown>): void {
    this.#child.stdin.write(`${JSON.stringify(command)}\n`);
  }

  #take(event: PeerEvent): void {
    switch (event.event) {
      case "ready":
        this.address = event.address;
        break;
      case "listening":
        this.#listening = true;
        break;
      case "muted":
        this.#muted = true;
        break;
      case "sent": {
        const { id, queueId, sequence, signatures } = event;
        Object.assign(this.#sent(id), { queueId, sequence, signatures });
        break;
      }
      case "acknowledged":
        this.#sent(event.id).acknowledgedBy.add(event.broker.replace(/:\d+$/, ""));
        break;
      case "unacknowledged":
        this.#sent(event.id).gaveUp = true;
        break;
      case "message": {
        const { data, ...message } = event;
        this.messages.push({ ...message, data: Uint8Array.from(Buffer.from(data, "hex")) });
        break;
      }
      case "answered":
        this.answers++;
        break;
      case "dropped":
        this.dropped.push(event.reason);
        break;
      case "failed":
        this.#fail(`failed: ${event.error}`);
        break;
    }
  }

  #sent(id: number): Outgoing {
    const sent = this.#outgoing[id];
    if (sent === undefined) throw new Error(`the Python peer was not told to send ${id}`);
    return sent;
  }

  #fail(problem: string): void {
    this.#failure ??= new Error(`the Python peer ${problem}${this.#log === "" ? "" : `\n${this.#log}`}`);
    this.#look();
  }

  #look(): void {
    for (const wait of this.#waiting) {
      if (wait.holds()) wait.resolve();
      else if (this.#failure !== undefined) wait.reject(this.#failure);
      else continue;
      this.#waiting.delete(wait);
    }
  }
}
