import type { Receipt, Router, SmartPipe } from "sidewire";

/**
 * What two pages tell each other before they have a channel. A page that is loaded again, or that gives
 * a connection up, starts a new life under a new id, so that what belongs to an old one is recognised.
 */
export interface Signal {
  /** The sender's present life. */
  readonly from: string;
  /** The receiver's life that this is for; absent in a first offer, whose sender knows of none yet. */
  readonly to?: string;
  readonly content: SignalContent;
}

/** An offer, an answer, or one more way to be reached. */
export type SignalContent =
  | { readonly description: { readonly type: "offer" | "answer"; readonly sdp: string } }
  | { readonly candidate: RTCIceCandidateInit };

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

/** A signal from its text; undefined for anything else. */
export function parseSignal(text: string): Signal | undefined {
  const { from, to, content } = fieldsOf(parseJson(text));
  if (typeof from !== "string" || (to !== undefined && typeof to !== "string")) return undefined;
  const parsed = parseContent(fieldsOf(content));
  if (parsed === undefined) return undefined;
  return { from, ...(to === undefined ? {} : { to }), content: parsed };
}

function parseContent({ description, candidate }: Fields): SignalContent | undefined {
  if (description !== undefined) {
    const { type, sdp } = fieldsOf(description);
    const isKnown = (type === "offer" || type === "answer") && typeof sdp === "string";
    return isKnown ? { description: { type, sdp } } : undefined;
  }
  const { candidate: line, sdpMid, sdpMLineIndex, usernameFragment } = fieldsOf(candidate);
  if (typeof line !== "string" || typeof sdpMid !== "string") return undefined;
  return {
    candidate: {
      candidate: line,
      sdpMid,
      ...(typeof sdpMLineIndex === "number" ? { sdpMLineIndex } : {}),
      ...(typeof usernameFragment === "string" ? { usernameFragment } : {}),
    },
  };
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

/** Whether a signal may come from somebody not heard of before. */
export function isFirst({ to, content }: Signal): boolean {
  return to === undefined && "description" in content && content.description.type === "offer";
}
