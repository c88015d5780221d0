/** What the two sides of a negotiation tell each other. */
export type SignalContent =
  /** An offer or an answer. Each side counts its own from 0. */
  | { readonly number: number; readonly description: Description }
  /** One more way to be reached. Its `usernameFragment` says which description it belongs to. */
  | { readonly candidate: RTCIceCandidateInit };

export interface Description {
  readonly type: "offer" | "answer";
  readonly sdp: string;
}

/** What a negotiation needs and tells. */
export interface NegotiationHandlers {
  /** Carries something to the other side. It may arrive late, twice, or after what was sent later. */
  send(content: SignalContent): void;
  /** The browser refused a description. Nothing more comes of this connection. */
  onFailure(error: unknown): void;
}

/** Descriptions may arrive before those they follow. So many are kept. */
const MAX_AHEAD = 8;
/** So many candidates are kept until their description arrives. The oldest gives way. */
const MAX_EARLY_CANDIDATES = 64;
/** So many signals may wait for their turn. Further ones are left alone: nobody has that much to say. */
const MAX_WAITING = 128;

/**
 * Perfect negotiation: both sides may offer at any time, and run the same code. Where two offers cross, the
 * polite side takes its own back and the impolite one leaves the other's alone.
 *
 * Own offers and the other side's signals are dealt with one after the other, each to its end. So between two
 * of them the connection is either stable or waits for an answer, and that alone decides about an offer.
 * Descriptions are taken in the order in which they were made, each once. A candidate is given to the
 * connection only while the description it belongs to is there, whatever became of others meanwhile.
 */
export class Negotiation {
  readonly #pc: RTCPeerConnection;
  readonly #polite: boolean;
  readonly #handlers: NegotiationHandlers;
  #turn: Promise<void> = Promise.resolve();
  #waiting = 0;
  #isOver = false;
  /** Something has changed that the other side was not offered yet. */
  #isOfferDue = false;
  /** The numbers of the next description of ours, and of theirs. */
  #nextOwn = 0;
  #nextTheirs = 0;
  readonly #earlyDescriptions = new Map<number, Description>();
  #earlyCandidates: RTCIceCandidateInit[] = [];

  /** @param polite - whether this side gives way when two offers cross; the other must not */
  constructor(pc: RTCPeerConnection, polite: boolean, handlers: NegotiationHandlers) {
    this.#pc = pc;
    this.#polite = polite;
    this.#handlers = handlers;
    pc.addEventListener("negotiationneeded", () => {
      this.#isOfferDue = true;
      this.#inTurn(() => this.#offer());
    });
    pc.addEventListener("icecandidate", ({ candidate }) => {
      // That there are no more, the last one being null, need not be told.
      if (candidate !== null) handlers.send({ candidate: candidate.toJSON() });
    });
  }

  /** Takes what the other side says, in whatever order it arrives. */
  take(content: SignalContent): void {
    if (this.#waiting >= MAX_WAITING) return;
    this.#inTurn(async () => {
      if ("candidate" in content) await this.#takeCandidate(content.candidate);
      else await this.#takeInOrder(content.number, content.description);
    });
  }

  /** One step after the other. On a connection that was closed a step may never end; nothing waits for it then. */
  #inTurn(step: () => Promise<void>): void {
    this.#waiting++;
    this.#turn = this.#turn.then(async () => {
      this.#waiting--;
      if (this.#isOver || this.#isClosed) return;
      try {
        await step();
      } catch (error) {
        if (this.#isClosed) return;
        this.#isOver = true;
        this.#handlers.onFailure(error);
      }
    });
  }

  get #isClosed(): boolean {
    return this.#pc.signalingState === "closed";
  }

  async #offer(): Promise<void> {
    // Answering an offer of theirs may have settled it. If not, there is another event.
    if (!this.#isOfferDue || this.#pc.signalingState !== "stable") return;
    await this.#describe();
  }

  async #takeInOrder(number: number, description: Description): Promise<void> {
    if (number < this.#nextTheirs || number >= this.#nextTheirs + MAX_AHEAD) return;
    this.#earlyDescriptions.set(number, description);
    for (;;) {
      const next = this.#earlyDescriptions.get(this.#nextTheirs);
      if (next === undefined) return;
      this.#earlyDescriptions.delete(this.#nextTheirs++);
      await this.#takeDescription(next);
    }
  }

  async #takeDescription(description: Description): Promise<void> {
    const isOffer = description.type === "offer";
    const isCrossing = isOffer && this.#pc.signalingState === "have-local-offer";
    if (isCrossing && !this.#polite) return;
    // This takes an offer of one's own back, too.
    await this.#pc.setRemoteDescription(description);
    if (isOffer) await this.#describe();
    const candidates = this.#earlyCandidates;
    this.#earlyCandidates = [];
    for (const candidate of candidates) await this.#takeCandidate(candidate);
  }

  /** Makes an offer, or the answer to theirs, and sends it. */
  async #describe(): Promise<void> {
    this.#isOfferDue = false;
    await this.#pc.setLocalDescription();
    const { type, sdp } = this.#pc.localDescription ?? {};
    if (type !== "offer" && type !== "answer") return;
    this.#handlers.send({ number: this.#nextOwn++, description: { type, sdp: sdp ?? "" } });
  }

  async #takeCandidate(candidate: RTCIceCandidateInit): Promise<void> {
    if (this.#hasDescriptionOf(candidate)) {
      // One that the browser can't use is one way less. There are others.
      await this.#pc.addIceCandidate(candidate).catch(() => {});
      return;
    }
    // Its description is still under way, or was left alone, or has been replaced.
    this.#earlyCandidates.push(candidate);
    if (this.#earlyCandidates.length > MAX_EARLY_CANDIDATES) this.#earlyCandidates.shift();
  }

  #hasDescriptionOf({ usernameFragment }: RTCIceCandidateInit): boolean {
    const sdp = this.#pc.remoteDescription?.sdp;
    // Browsers that don't tell the fragment send their signals in order.
    if (typeof usernameFragment !== "string" || sdp === undefined) return sdp !== undefined;
    return sdp.split(/\r?\n/).includes(`a=ice-ufrag:${usernameFragment}`);
  }
}
