import { MessageType } from "sidewire";

/** Where a packet says whether it is a message, an ACK or a probe. */
const TYPE_AT = 141;

/** Looks over a broker's shoulder: what passes it on the way from one peer to another, and back. */
export class Wiretap {
  /** Packets to the receiver that reached the broker. */
  arrived = 0;
  /** Those of them that ask for an ACK and were handed to the receiver. */
  delivered = 0;
  /** ACKs that the receiver gave. */
  answered = 0;
  /** The first message that was handed over, byte for byte. */
  recorded: Uint8Array | undefined;
  readonly #from: string;
  readonly #to: string;
  readonly #onChange: () => void;

  /** @param from, to - the addresses of the two peers */
  constructor(from: string, to: string, onChange: () => void) {
    this.#from = from;
    this.#to = to;
    this.#onChange = onChange;
  }

  /** The broker took a publish. */
  took(topic: string, payload: Uint8Array): void {
    if (topic === this.#to) this.arrived++;
    else if (topic === this.#from && payload[TYPE_AT] === MessageType.Ack) this.answered++;
    else return;
    this.#onChange();
  }

  /** The broker hands a publish to a subscriber. */
  gave(topic: string, payload: Uint8Array): void {
    if (topic !== this.#to || payload[TYPE_AT] === MessageType.Ack) return;
    this.delivered++;
    this.recorded ??= Uint8Array.from(payload);
    this.#onChange();
  }
}
