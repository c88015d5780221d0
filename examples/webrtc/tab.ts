import { Keypair } from "sidewire";
import type { Line } from "./chat-log.js";
import type { Unfinished } from "./conversation.js";

const NAME = "sidewire-tab";

/** What a tab keeps while its page is loaded again, besides its key. */
export interface Kept {
  /** Addresses of those whom it talks to. */
  readonly peers: readonly string[];
  /** What was said. */
  readonly lines: readonly Line[];
  /** What is not finished with each of the peers, by address. */
  readonly unfinished: Readonly<Record<string, Unfinished>>;
}

/**
 * Who this tab is, whom it talks to and what was said: the same after a reload, others in a second tab. While the page
 * is there, the storage is empty, because a tab that is duplicated takes a copy of it along.
 */
export class Tab {
  readonly keys: Keypair;
  /** As it was when the page was loaded. */
  readonly kept: Kept;
  #contents: () => Kept;

  constructor() {
    const { key, ...kept } = take();
    this.keys = key === undefined ? Keypair.generate() : Keypair.fromSecretKey(key);
    this.kept = kept;
    this.#contents = () => kept;
    addEventListener("pagehide", () => this.#keep());
    addEventListener("pageshow", () => sessionStorage.removeItem(NAME));
    // A phone may end a page in the background without another word.
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "hidden") this.#keep();
      else sessionStorage.removeItem(NAME);
    });
  }

  /** @param contents - says what is to be kept, whenever the page may end */
  keep(contents: () => Kept): void {
    this.#contents = contents;
  }

  #keep(): void {
    const key = Array.from(this.keys.secretKey, (byte) => byte.toString(16).padStart(2, "0")).join("");
    const { peers, lines, unfinished } = this.#contents();
    try {
      sessionStorage.setItem(NAME, JSON.stringify({ key, peers, lines, unfinished }));
    } catch {
      // Too long for the browser: who the tab is matters more than what was said.
      sessionStorage.setItem(NAME, JSON.stringify({ key, peers }));
    }
  }
}

function take(): Kept & { readonly key?: string } {
  const kept = sessionStorage.getItem(NAME);
  sessionStorage.removeItem(NAME);
  try {
    const {
      key,
      peers,
      lines = [],
      unfinished = {},
    }: Partial<Kept> & { key?: unknown } = JSON.parse(kept ?? "");
    if (typeof key === "string" && Array.isArray(peers)) {
      Keypair.fromSecretKey(key);
      const all = Array.isArray(lines) ? lines : [];
      return { key, peers: peers.filter((peer) => typeof peer === "string"), lines: all, unfinished };
    }
  } catch {
    // Nothing kept, or nothing that can be used.
  }
  return { peers: [], lines: [], unfinished: {} };
}
