import type { ServerResponse } from "node:http";
import type { Feed } from "./feed.js";

/** How often something is sent at least, in ms, so that the other side notices the end of the connection. */
const ALIVE_EVERY_MS = 5000;

/** How long a reader may leave unread what it was sent, in ms. */
const PATIENCE_MS = 15_000;

/**
 * Sends a feed as Server-Sent Events, until the reader is gone. A slow reader does not get every state, and what waits
 * for it does not grow. Each message has the latest state, and the events that the reader does not have.
 */
export function streamFeed(feed: Feed, response: ServerResponse): void {
  let toldId = 0;
  let isStale = false;
  let tooSlow: NodeJS.Timeout | undefined;
  const write = (text: string): void => {
    if (response.write(text)) return;
    tooSlow ??= setTimeout(() => response.destroy(), PATIENCE_MS);
  };
  const tell = (): void => {
    if (response.writableNeedDrain) {
      isStale = true;
      return;
    }
    isStale = false;
    const { events, ...state } = feed.state;
    const fresh = events.filter(({ id }) => id > toldId);
    toldId = events.at(-1)?.id ?? toldId;
    write(`data: ${JSON.stringify({ ...state, events: fresh })}\n\n`);
  };
  const alive = setInterval(() => {
    if (!response.writableNeedDrain) write(": alive\n\n");
  }, ALIVE_EVERY_MS);
  const silence = feed.listen(tell);
  response.on("drain", () => {
    clearTimeout(tooSlow);
    tooSlow = undefined;
    if (isStale) tell();
  });
  response.once("close", () => {
    clearInterval(alive);
    clearTimeout(tooSlow);
    silence();
  });
  response.writeHead(200, { "Content-Type": "text/event-stream; charset=utf-8" });
  tell();
}
