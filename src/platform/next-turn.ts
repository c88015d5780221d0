/** A message to oneself: a page in the background gets a timer a second, or a minute, but messages at once. */
export function nextTurn(run: () => void): void {
  // What stands in for a browser in tests may have no such thing.
  if (typeof MessageChannel === "undefined") {
    setTimeout(run);
    return;
  }
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => {
    port1.close();
    run();
  };
  port2.postMessage(undefined);
}
