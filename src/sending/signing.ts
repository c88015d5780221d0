import { abortable } from "../base/abort.js";
import { timer } from "../base/alarm.js";
import { isPromise } from "../base/guarded.js";
import type { Lifecycle } from "../base/lifecycle.js";
import type { Wait } from "../options.js";
import type { Identity } from "../wire/identity.js";
import { TimeoutReached } from "./delivery.js";

/**
 * An identity with a time limit for signatures. A key may be in an agent that hangs or waits for its user. So the wait
 * ends after the message's timeout, when the caller's signal fires, or when the router is closed. A signature that is
 * returned at once needs no timer.
 */
export function withPatience(identity: Identity, wait: Wait, lifecycle: Lifecycle): Identity {
  return {
    publicKey: identity.publicKey,
    sign: (part) => {
      const signature = identity.sign(part);
      return isPromise(signature) ? within(signature, wait, lifecycle) : signature;
    },
  };
}

/** @throws TimeoutReached, AbortError, SidewireError `CLOSED`, or the error of the work */
async function within<T>(
  work: PromiseLike<T>,
  { timeoutMs, signal }: Wait,
  lifecycle: Lifecycle,
): Promise<T> {
  const { over, stop } = timer(timeoutMs);
  const tooLate = over.then(() => Promise.reject(new TimeoutReached()));
  let stopWatching = (): void => {};
  const closed = new Promise<never>((_, reject) => {
    stopWatching = lifecycle.onClosed(reject);
  });
  try {
    return await abortable(Promise.race([work, tooLate, closed]), signal);
  } finally {
    stop();
    stopWatching();
  }
}
