import { type IncomingMessage, request } from "node:http";
import { onTestFinished } from "vitest";
import { qrPath } from "../../src/cli/qr.js";
import { Feed } from "../../src/web/feed.js";
import { type InviteShown, type Site, WebServer } from "../../src/web/server.js";
import { WatchedDaemon } from "./watched-daemon.js";

/** The token that is right. */
export const TOKEN: string = "the-token_of-this-test-0123456789abcdefghij";

/** What the page is told of an invitation. */
export const INVITATION: InviteShown = {
  token: "swm1_x",
  network: "office",
  expires: 0,
  uses: 1,
  notes: [],
  qr: qrPath("swm1_x"),
};

/** A server whose daemon says what a test says. */
export interface Served {
  readonly port: number;
  readonly daemon: WatchedDaemon;
  readonly feed: Feed;
  readonly server: WebServer;
}

/** Serves until the end of the test. */
export async function serve(more: Partial<Site> = {}): Promise<Served> {
  const daemon = new WatchedDaemon();
  const feed = new Feed(daemon);
  const ending = new AbortController();
  const files = new Map([["/", { type: "text/html; charset=utf-8", bytes: Buffer.from("<!doctype html>") }]]);
  const server = await WebServer.open(0, {
    token: TOKEN,
    files,
    feed,
    invite: async () => INVITATION,
    netcheck: async function* () {},
    ...more,
  });
  const running = feed.run(ending.signal);
  onTestFinished(async () => {
    ending.abort();
    await Promise.all([running, server[Symbol.asyncDispose]()]);
  });
  return { port: server.port, daemon, feed, server };
}

export interface Asked {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** Asks, and does not read the answer. */
export function open(
  port: number,
  path: string,
  { method = "GET", headers = {}, body }: Asked = {},
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: "127.0.0.1", port, path, method, headers, agent: false }, (response) => {
      onTestFinished(() => void response.destroy());
      resolve(response);
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

/** Asks, and reads the whole answer. */
export async function ask(
  port: number,
  path: string,
  asked: Asked = {},
): Promise<{ status?: number | undefined; text: string }> {
  const response = await open(port, path, asked);
  let text = "";
  for await (const part of response.setEncoding("utf8")) text += part;
  return { status: response.statusCode, text };
}

/** What the page itself sends. */
export function own(port: number, more: Readonly<Record<string, string>> = {}): Record<string, string> {
  return {
    Authorization: `Bearer ${TOKEN}`,
    Origin: `http://127.0.0.1:${port}`,
    "Content-Type": "application/json",
    ...more,
  };
}

/** The first message of a feed. */
export async function firstOf(response: IncomingMessage): Promise<string> {
  response.setEncoding("utf8");
  let text = "";
  while (!text.includes("\n\n")) {
    const part: string | null = response.read();
    if (part === null) await new Promise((resolve) => response.once("readable", resolve));
    else text += part;
  }
  return text;
}

/** A body that asks for an invitation. */
export const INVITE: string = JSON.stringify({ uses: 1, expiresS: 60, approve: false });
