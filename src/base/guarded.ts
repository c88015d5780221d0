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
    // Of any make.
    const { then } = Object(result);
    if (typeof then === "function") return Promise.resolve(result).then(() => {}, onError);
  } catch (error) {
    onError(error);
  }
  return undefined;
}
