import { NoAckError, type Receipt, type Router, type SmartPipe } from "sidewire";
import type { Ledger } from "./ledger.js";
import { cell, milliseconds, paint, say } from "./screen.js";

/** Two peers, and the books on what they say to each other. */
export interface Peers {
  readonly ann: Router;
  readonly ben: Router;
  readonly annSays: Ledger;
  readonly benSays: Ledger;
}

/** Sends one message and books it; returns how it was delivered, or undefined when nobody acknowledged it. */
export async function send(
  pipe: SmartPipe,
  ledger: Ledger,
  text: string,
  signal: AbortSignal,
): Promise<Receipt | undefined> {
  ledger.sent(text);
  try {
    const receipt = await pipe.deliver(text, { signal });
    ledger.acknowledged();
    return receipt;
  } catch (error) {
    if (error instanceof NoAckError) return undefined;
    throw error;
  }
}

/** A few words each way, each with the broker that won and the round trip. */
export async function talk({ ann, ben, annSays, benSays }: Peers, signal: AbortSignal): Promise<void> {
  const toBen = await ann.pipe(ben.address, { signal });
  const toAnn = await ben.pipe(ann.address, { signal });
  const words = [
    { pipe: toBen, ledger: annSays, text: "Hello Ben, here is my offer" },
    { pipe: toAnn, ledger: benSays, text: "Hello Ann, here is my answer" },
    { pipe: toBen, ledger: annSays, text: "Got it, calling you directly" },
    { pipe: toAnn, ledger: benSays, text: "I see you. Over and out" },
  ];
  for (const { pipe, ledger, text } of words) {
    const receipt = await send(pipe, ledger, text, signal);
    const result =
      receipt === undefined
        ? paint("red", "nobody acknowledged it")
        : `${cell(milliseconds(receipt.roundTripMs), -7)}  by ${receipt.broker.host}`;
    say(`  ${cell(ledger.direction, 11)}${cell(text, 30)}${result}`);
  }
}

/**
 * Resolves once a condition holds, which is looked at now and after every event of that name; rejects
 * when the signal fires before.
 */
export function until<E extends string>(
  holds: () => boolean,
  emitter: Emitter<E>,
  event: E,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const look = (): void => {
      if (!signal.aborted && !holds()) return;
      emitter.off(event, lookSoon);
      signal.removeEventListener("abort", look);
      if (signal.aborted) reject(signal.reason);
      else resolve();
    };
    // What an event is about to bring may not be there while it is being told of.
    const lookSoon = (): void => queueMicrotask(look);
    emitter.on(event, lookSoon);
    signal.addEventListener("abort", look);
    look();
  });
}

/** A router, or an emitter of Node's. */
interface Emitter<E extends string> {
  on(event: E, look: () => void): unknown;
  off(event: E, look: () => void): unknown;
}
