import type { BrokerHint, HintStore } from "sidewire";

const PREFIX = "sidewire-hints-";

/** Keeps in localStorage where peers were found; the router checks what it reads, and does without when this fails. */
export class LocalStorageHintStore implements HintStore {
  get(address: string): readonly BrokerHint[] | undefined {
    const kept = localStorage.getItem(PREFIX + address);
    return kept === null ? undefined : JSON.parse(kept);
  }

  set(address: string, hints: readonly BrokerHint[]): void {
    localStorage.setItem(PREFIX + address, JSON.stringify(hints));
  }
}
