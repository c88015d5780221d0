import { Keypair } from "sidewire";

const NAME = "sidewire-tab";

/**
 * Who this tab is, and whom it talks to: the same after a reload, others in a second tab. While the page
 * is there, the storage is empty, because a tab that is duplicated takes a copy of it along.
 */
export class Tab {
  readonly keys: Keypair;
  /** Addresses. */
  readonly peers: Set<string>;

  constructor() {
    const { key, peers } = take();
    this.keys = key === undefined ? Keypair.generate() : Keypair.fromSecretKey(key);
    this.peers = new Set(peers);
    addEventListener("pagehide", () => this.#keep());
    addEventListener("pageshow", () => sessionStorage.removeItem(NAME));
    // A phone may end a page in the background without another word.
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "hidden") this.#keep();
      else sessionStorage.removeItem(NAME);
    });
  }

  #keep(): void {
    const key = Array.from(this.keys.secretKey, (byte) => byte.toString(16).padStart(2, "0")).join("");
    sessionStorage.setItem(NAME, JSON.stringify({ key, peers: [...this.peers] }));
  }
}

function take(): { readonly key?: string; readonly peers: readonly string[] } {
  const kept = sessionStorage.getItem(NAME);
  sessionStorage.removeItem(NAME);
  try {
    const { key, peers }: { key?: unknown; peers?: unknown } = JSON.parse(kept ?? "");
    if (typeof key === "string" && Array.isArray(peers)) {
      Keypair.fromSecretKey(key);
      return { key, peers: peers.filter((peer) => typeof peer === "string") };
    }
  } catch {
    // Nothing kept, or nothing that can be used.
  }
  return { peers: [] };
}
