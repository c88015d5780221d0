import type { FeedState } from "../feed.js";

/** How long the server may be silent, in ms. It says something every 5 s. */
const SILENCE_MS = 16_000;

/** The pause before the next try, in ms. */
const RETRY_MS = 1500;

/** Where the token is kept in this tab, so that the page can be loaded again. */
const TOKEN = "token";

/** Why nothing comes: the token is wrong or missing; the page is open too often; the command does not answer. */
export type Trouble = "refused" | "busy" | "cut";

export interface Hears {
  /** @param isFirst - whether this is the first message of a connection, which has all events */
  state(state: FeedState, isFirst: boolean): void;
  trouble(trouble: Trouble): void;
}

/** The server has refused a request. */
export class Refused extends Error {}

/**
 * The token of the address, which is then taken out of the address bar and the history. It is sent in a header, and is
 * not in a cookie: browsers send cookies of 127.0.0.1 to all of its ports.
 */
export function takeToken(): string | undefined {
  const inAddress = location.hash.slice(1);
  if (/^[\w-]{20,}$/.test(inAddress)) {
    sessionStorage.setItem(TOKEN, inAddress);
    history.replaceState(null, "", location.pathname);
  }
  return sessionStorage.getItem(TOKEN) ?? undefined;
}

/** The connection with the command that serves the page. */
export class Connection {
  readonly #headers: Readonly<Record<string, string>>;

  constructor(token: string) {
    this.#headers = { Authorization: `Bearer ${token}` };
  }

  /** Sends a request. @throws {@link Refused} with the reason */
  async post(path: string, body?: object): Promise<Response> {
    const response = await fetch(path, {
      method: "POST",
      headers: { ...this.#headers, "Content-Type": "application/json" },
      body: JSON.stringify(body ?? {}),
    }).catch(() => {
      throw new Refused("The command sidewire-mesh web does not answer.");
    });
    if (response.ok) return response;
    const { message = "it failed" }: { message?: string } = await response.json().catch(() => ({}));
    throw new Refused(message);
  }

  /** Listens to the feed for good, and connects again when it breaks off. */
  async listen(hears: Hears): Promise<void> {
    for (;;) {
      const trouble = await this.#once(hears).catch((): Trouble => "cut");
      hears.trouble(trouble);
      if (trouble === "refused") return;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }

  async #once(hears: Hears): Promise<Trouble> {
    const silent = new AbortController();
    let timer = setTimeout(() => silent.abort(), SILENCE_MS);
    try {
      const response = await fetch("/feed", { headers: this.#headers, signal: silent.signal });
      if (response.status === 401) return "refused";
      if (response.status === 503) return "busy";
      if (!response.ok || response.body === null) return "cut";
      let isFirst = true;
      for await (const message of messagesOf(response.body)) {
        clearTimeout(timer);
        timer = setTimeout(() => silent.abort(), SILENCE_MS);
        if (message === undefined) continue;
        hears.state(JSON.parse(message), isFirst);
        isFirst = false;
      }
      return "cut";
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Lines of a body, as they come. */
export async function* linesOf(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    rest += decoder.decode(value, { stream: !done });
    const lines = rest.split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
    if (done) break;
  }
  if (rest !== "") yield rest;
}

/**
 * The messages of a stream of Server-Sent Events; undefined for a comment. `EventSource` cannot send the header that
 * has the token.
 */
async function* messagesOf(body: ReadableStream<Uint8Array>): AsyncGenerator<string | undefined> {
  for await (const line of linesOf(body)) {
    if (line.startsWith("data: ")) yield line.slice("data: ".length);
    else if (line.startsWith(":")) yield undefined;
  }
}
