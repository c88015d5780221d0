/**
 * Calls a function of the application. No exception and no rejection of the function escapes.
 *
 * @param onError - called with what the function threw or rejected with; must not throw
 * @returns a promise that resolves when the call has ended; undefined when the call has ended already
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

/** Whether a value is a promise, of any library and any realm. */
export function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof Object(value).then === "function";
}
