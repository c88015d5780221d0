import type { Receipt, Router, SmartPipe } from "sidewire";
import type { SignalContent } from "./negotiation.js";
import type { Signal } from "./pairing.js";

/** What nobody has acknowledged for so long went nowhere, ms. */
const TIMEOUT_MS = 3000;

/** Carries signals between addresses, sealed: only the destination can read who is where. */
export class Signaling {
  readonly #router: Router;
  readonly #pipes = new Map<string, { readonly life: string; readonly pipe: Promise<SmartPipe> }>();

  constructor(router: Router) {
    this.#router = router;
  }

  /** Calls a function with every signal; what is none, a stranger's text, is left alone. */
  listen(onSignal: (from: string, signal: Signal) => void): void {
    this.#router.addMessageHandler((message) => {
      const signal = parseSignal(message.text());
      if (signal !== undefined) onSignal(message.from, signal);
    });
  }

  /**
   * Sends a signal. Those of one life arrive in the order of the calls.
   * @throws NoAckError, NoBrokerError
   */
  async send(to: string, signal: Signal): Promise<Receipt> {
    const pipe = await this.#pipe(to, signal.from);
    return await pipe.deliver(JSON.stringify(signal), { timeoutMs: TIMEOUT_MS });
  }

  /** Closes the pipe to an address; the next signal makes another. */
  leave(to: string): void {
    this.#pipes
      .get(to)
      ?.pipe.then((pipe) => pipe.close())
      .catch(() => {});
    this.#pipes.delete(to);
  }

  /**
   * Every life has a pipe of its own. A page that was loaded again knows nothing of what came before: in
   * the middle of an old pipe's messages it would wait for earlier ones, in vain and for a second.
   */
  #pipe(to: string, life: string): Promise<SmartPipe> {
    const present = this.#pipes.get(to);
    if (present?.life === life) return present.pipe;
    this.leave(to);
    const pipe = this.#router.pipe(to);
    this.#pipes.set(to, { life, pipe });
    return pipe;
  }
}

/** What the names of lives look like. */
const LIFE = /^[0-9a-z-]{1,40}$/;
/** No candidate is longer. */
const MAX_CANDIDATE_LENGTH = 1000;

/** A signal from its text; undefined for anything else. */
export function parseSignal(text: string): Signal | undefined {
  const { from, to, content } = fieldsOf(parseJson(text));
  if (!isLife(from) || (to !== undefined && !isLife(to))) return undefined;
  const parsed = parseContent(fieldsOf(content));
  if (parsed === undefined) return undefined;
  return { from, ...(to === undefined ? {} : { to }), content: parsed };
}

function isLife(value: unknown): value is string {
  return typeof value === "string" && LIFE.test(value);
}

function parseContent({ number, description, candidate }: Fields): SignalContent | undefined {
  if (description !== undefined) {
    const { type, sdp } = fieldsOf(description);
    if (typeof number !== "number" || !Number.isSafeInteger(number) || number < 0) return undefined;
    const isKnown = (type === "offer" || type === "answer") && typeof sdp === "string";
    return isKnown ? { number, description: { type, sdp } } : undefined;
  }
  const { candidate: line, sdpMid, sdpMLineIndex, usernameFragment } = fieldsOf(candidate);
  if (!isShort(line) || !isShort(sdpMid)) return undefined;
  return {
    candidate: {
      candidate: line,
      sdpMid,
      ...(typeof sdpMLineIndex === "number" ? { sdpMLineIndex } : {}),
      ...(isShort(usernameFragment) ? { usernameFragment } : {}),
    },
  };
}

function isShort(value: unknown): value is string {
  return typeof value === "string" && value.length <= MAX_CANDIDATE_LENGTH;
}

type Fields = Readonly<Record<string, unknown>>;

function fieldsOf(value: unknown): Fields {
  return typeof value === "object" && value !== null ? { ...value } : {};
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
