/** What became of the messages of one direction. */
export interface Count {
  readonly direction: string;
  readonly sent: number;
  readonly acknowledged: number;
  /** How often a message was handed to the receiving application. */
  readonly shown: number;
  /** How many were never shown. */
  readonly lost: number;
  /** How often one was shown that had been shown before, or that nobody sent. */
  readonly doubled: number;
  /** Whether they were shown in the order in which they were sent. */
  readonly inOrder: boolean;
}

/** Keeps books on the messages from one peer to another, at both ends. Each is a text of its own. */
export class Ledger {
  readonly direction: string;
  /** Every text that was sent, with its place. */
  readonly #sent = new Map<string, number>();
  readonly #shown: string[] = [];
  #acknowledged = 0;

  constructor(direction: string) {
    this.direction = direction;
  }

  sent(text: string): void {
    if (this.#sent.has(text)) throw new Error(`"${text}" was sent before, so it could not be told apart`);
    this.#sent.set(text, this.#sent.size);
  }

  acknowledged(): void {
    this.#acknowledged++;
  }

  shown(text: string): void {
    this.#shown.push(text);
  }

  count(): Count {
    const places = [...new Set(this.#shown)].flatMap((text) => this.#sent.get(text) ?? []);
    return {
      direction: this.direction,
      sent: this.#sent.size,
      acknowledged: this.#acknowledged,
      shown: this.#shown.length,
      lost: this.#sent.size - places.length,
      doubled: this.#shown.length - places.length,
      inOrder: places.every((place, i) => place >= (places[i - 1] ?? 0)),
    };
  }
}

/** What is wrong with a count, in words; nothing when every message was acknowledged, and shown once, in order. */
export function problemsOf(counts: readonly Count[]): string[] {
  return counts.flatMap(({ direction, sent, acknowledged, lost, doubled, inOrder }) => {
    const unacknowledged = sent - acknowledged;
    return [
      ...(sent === 0 ? [`${direction}: nothing was sent`] : []),
      ...(unacknowledged === 0 ? [] : [`${direction}: ${unacknowledged} not acknowledged`]),
      ...(lost === 0 ? [] : [`${direction}: ${lost} lost`]),
      ...(doubled === 0 ? [] : [`${direction}: ${doubled} doubled`]),
      ...(inOrder ? [] : [`${direction}: out of order`]),
    ];
  });
}
