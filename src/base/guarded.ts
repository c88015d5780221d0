/**
 * Calls a function of the application, and lets nothing of it escape.
 *
 * @param onError - told what it threw or rejected with; must not throw itself
 * @returns when it has ended, if it has not yet
 */
export function callGuarded(
  call: () => unknown,
  onError: (error: unknown) => void,
): Promise<void> | undefined {
  try {
    const result = call();
    if (isPromise(result)) return Promise.resolve(result).then(() => {}, onError);
  } catch (error) {
    onError(error);
  }
  return undefined;
}

/** Whether it is a promise, of any make and realm. */
export function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof Object(value).then === "function";
}
