/** What goes over a channel: a line, the acknowledgement of one, and pings that measure it. */
type Frame =
  | { readonly line: number; readonly text: string }
  | { readonly got: number }
  | { readonly ping: number }
  | { readonly pong: number };

/** What a conversation tells. */
export interface ConversationHandlers {
  onLine(text: string): void;
  /** A line of ours was shown on the other side. */
  onDelivered(line: number): void;
  onFirstByte(): void;
  onRoundTrip(ms: number): void;
}

const PING_EVERY_MS = 2000;

/** The longest line, so that no browser's limit for one message of a channel is met. */
export const MAX_LINE_LENGTH = 4000;

/** What a conversation goes on with after the page was loaded again. */
export interface Unfinished {
  /** The lines that nobody has acknowledged yet, with their numbers. */
  readonly said: readonly (readonly [line: number, text: string])[];
  /** The numbers of the other side's latest lines, which are shown once. */
  readonly shown: readonly number[];
}

/** So many numbers of lines are kept over a reload: the other side says none again that is older. */
const MAX_SHOWN = 300;

/** Lines that outlive the channel: what was not acknowledged goes again over the next one, and is shown once. */
export class Conversation {
  readonly #handlers: ConversationHandlers;
  readonly #unacknowledged = new Map<number, string>();
  readonly #shown = new Set<number>();
  #channel: RTCDataChannel | undefined;
  #pinging: ReturnType<typeof setInterval> | undefined;

  constructor(handlers: ConversationHandlers) {
    this.#handlers = handlers;
  }

  /** Goes on over another channel, which is open. */
  use(channel: RTCDataChannel): void {
    this.stop();
    this.#channel = channel;
    let isFirst = true;
    channel.onmessage = ({ data }: MessageEvent<unknown>) => {
      if (this.#channel !== channel) return;
      if (isFirst) this.#handlers.onFirstByte();
      isFirst = false;
      this.#receive(parseFrame(data));
    };
    const ping = (): void => this.#send({ ping: performance.now() });
    ping();
    this.#pinging = setInterval(ping, PING_EVERY_MS);
    for (const [line, text] of this.#unacknowledged) this.#send({ line, text });
  }

  /** Sends a line now, or over the next channel. @returns its number */
  say(text: string): number {
    // Random, because a page that is loaded again must not go on with numbers that were shown already.
    const [line = 0] = crypto.getRandomValues(new Uint32Array(1));
    this.#unacknowledged.set(line, text);
    this.#send({ line, text });
    return line;
  }

  /** The numbers of the lines that nobody has acknowledged yet. */
  get unacknowledged(): Iterable<number> {
    return this.#unacknowledged.keys();
  }

  /** What is to be kept while the page is loaded again. */
  unfinished(): Unfinished {
    return { said: [...this.#unacknowledged], shown: [...this.#shown].slice(-MAX_SHOWN) };
  }

  restore({ said, shown }: Unfinished): void {
    for (const [line, text] of said) this.#unacknowledged.set(line, text);
    for (const line of shown) this.#shown.add(line);
  }

  /** Leaves the channel. */
  stop(): void {
    clearInterval(this.#pinging);
    this.#channel = undefined;
  }

  #receive(frame: Frame | undefined): void {
    if (frame === undefined) return;
    if ("line" in frame) {
      if (!this.#shown.has(frame.line)) this.#handlers.onLine(frame.text);
      this.#shown.add(frame.line);
      this.#send({ got: frame.line });
    } else if ("got" in frame) {
      if (this.#unacknowledged.delete(frame.got)) this.#handlers.onDelivered(frame.got);
    } else if ("ping" in frame) this.#send({ pong: frame.ping });
    else this.#handlers.onRoundTrip(performance.now() - frame.pong);
  }

  #send(frame: Frame): void {
    if (this.#channel?.readyState === "open") this.#channel.send(JSON.stringify(frame));
  }
}

/** A frame; undefined for anything else. */
function parseFrame(data: unknown): Frame | undefined {
  if (typeof data !== "string") return undefined;
  let fields: Readonly<Record<string, unknown>>;
  try {
    fields = { ...JSON.parse(data) };
  } catch {
    return undefined;
  }
  const { line, text, got, ping, pong } = fields;
  if (typeof line === "number" && typeof text === "string")
    return { line, text: text.slice(0, MAX_LINE_LENGTH) };
  if (typeof got === "number") return { got };
  if (typeof ping === "number") return { ping };
  if (typeof pong === "number") return { pong };
  return undefined;
}
