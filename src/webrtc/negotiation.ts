import { type Description, MAX_CANDIDATES, type SignalContent } from "./signal.js";

/** The functions that a negotiation calls. */
export interface NegotiationHandlers {
  /** Resolves when signals can be sent. Until then, candidates are collected and sent with their description. */
  readonly isReady?: Promise<void>;
  /** Sends a signal to the other side. The signal may arrive late, twice, or after later signals. */
  send(content: SignalContent): void;
  /** Called when the platform refuses a description. Then this connection cannot succeed. */
  onFailure(error: unknown): void;
}

/** The maximum number of descriptions that are kept until the earlier ones arrive. */
const MAX_AHEAD = 8;
/** The maximum number of candidates that are kept until their description arrives. The oldest is dropped first. */
const MAX_EARLY_CANDIDATES = 64;
/** The maximum number of signals that wait for their turn. Further ones are ignored: no real peer sends so many. */
const MAX_WAITING = 128;
/** How long a description waits for its first candidates, in ms. The machine's own addresses are found at once. */
const FIRST_CANDIDATES_MS = 20;
/** How long later candidates wait for more, in ms: a signal costs more than a candidate. */
const MORE_CANDIDATES_MS = 30;

/** A description that waits for its candidates. */
interface Unsent {
  readonly number: number;
  readonly description: Description;
}

/**
 * Perfect negotiation, a pattern of the WebRTC specification: both sides may offer at any time, and run the same code.
 *
 * If two offers cross, the polite side takes its own offer back, and the impolite side ignores the other offer.
 *
 * Own offers and signals of the other side are handled one after the other, each to its end. So between two of them the
 * connection is either stable or waits for an answer, and only this state decides about an offer. Descriptions are
 * handled once, in the order in which they were made. The connection only gets a candidate while it has the description
 * of this candidate.
 */
export class Negotiation {
  readonly #pc: RTCPeerConnection;
  readonly #polite: boolean;
  readonly #handlers: NegotiationHandlers;
  #turn: Promise<void> = Promise.resolve();
  #waiting = 0;
  #isOver = false;
  /** Whether there is a change that was not offered to the other side yet. */
  #isOfferDue = false;
  /** The numbers of the next own description, and of the next one of the other side. */
  #nextOwn = 0;
  #nextTheirs = 0;
  readonly #earlyDescriptions = new Map<number, Description>();
  #earlyCandidates: RTCIceCandidateInit[] = [];
  #unsent: Unsent | undefined;
  #unsentCandidates: RTCIceCandidateInit[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isReady = true;

  /** @param polite - whether this side takes its offer back when offers cross; exactly one side must do so */
  constructor(pc: RTCPeerConnection, polite: boolean, handlers: NegotiationHandlers) {
    this.#pc = pc;
    this.#polite = polite;
    this.#handlers = handlers;
    if (handlers.isReady !== undefined) {
      this.#isReady = false;
      void handlers.isReady.then(() => {
        this.#isReady = true;
        // While the timer runs, a description waits for its candidates.
        if (this.#timer === undefined) this.#flush();
      });
    }
    pc.addEventListener("negotiationneeded", () => {
      this.#isOfferDue = true;
      this.#inTurn(() => this.#offer());
    });
    pc.addEventListener("icecandidate", ({ candidate }) => this.#found(candidate));
  }

  /** Handles a signal of the other side. Signals may come in any order. */
  take(content: SignalContent): void {
    if (this.#waiting >= MAX_WAITING || "end" in content) return;
    this.#inTurn(async () => {
      if ("description" in content) await this.#takeInOrder(content.number, content.description);
      for (const candidate of content.candidates ?? []) await this.#takeCandidate(candidate);
    });
  }

  /** Ends the negotiation. Unsent signals are dropped. */
  close(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
  }

  /** Runs the steps one after the other. After `close`, a step may never end, and nobody waits for it. */
  #inTurn(step: () => Promise<void>): void {
    this.#waiting++;
    this.#turn = this.#turn.then(async () => {
      this.#waiting--;
      if (this.#isOver || this.#isClosed) return;
      try {
        await step();
      } catch (error) {
        if (this.#isOver || this.#isClosed) return;
        this.#isOver = true;
        this.#handlers.onFailure(error);
      }
    });
  }

  get #isClosed(): boolean {
    return this.#pc.signalingState === "closed";
  }

  async #offer(): Promise<void> {
    // An answer to the other side may have contained the change. Otherwise the platform fires another event.
    if (!this.#isOfferDue || this.#pc.signalingState !== "stable") return;
    await this.#describe("offer");
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
    // The platform also takes the own offer back here (rollback).
    await this.#pc.setRemoteDescription(description);
    if (isOffer) await this.#describe("answer");
    const candidates = this.#earlyCandidates;
    this.#earlyCandidates = [];
    for (const candidate of candidates) await this.#takeCandidate(candidate);
  }

  /** Makes an offer or an answer. It is sent together with its first candidates. */
  async #describe(type: "offer" | "answer"): Promise<void> {
    this.#isOfferDue = false;
    // An earlier description that waits for candidates must be sent first.
    this.#flush();
    const pc = this.#pc;
    // The description is an argument, because some platforms cannot make it in setLocalDescription.
    await pc.setLocalDescription(await (type === "offer" ? pc.createOffer() : pc.createAnswer()));
    const { sdp } = pc.localDescription ?? {};
    this.#unsent = { number: this.#nextOwn++, description: { type, sdp: sdp ?? "" } };
    if (pc.iceGatheringState === "complete") this.#flush();
    else this.#flushWithin(FIRST_CANDIDATES_MS);
  }

  #found(candidate: RTCIceCandidate | null): void {
    if (this.#isOver) return;
    if (candidate?.candidate) {
      this.#unsentCandidates.push(candidate.toJSON());
      // While no signal can be sent, there may be more candidates than a signal may contain. The first ones are enough.
      if (this.#unsentCandidates.length > MAX_CANDIDATES) this.#unsentCandidates.pop();
      if (this.#unsentCandidates.length >= MAX_CANDIDATES) this.#flush();
      else if (this.#timer === undefined) this.#flushWithin(MORE_CANDIDATES_MS);
      return;
    }
    // All candidates are found. The other side need not know this, but the description need not wait any more.
    if (this.#unsent !== undefined) this.#flush();
  }

  #flushWithin(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#flush(), ms);
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#isOver || !this.#isReady) return;
    const [unsent, candidates] = [this.#unsent, this.#unsentCandidates];
    this.#unsent = undefined;
    this.#unsentCandidates = [];
    if (unsent !== undefined) this.#handlers.send({ ...unsent, candidates });
    else if (candidates.length > 0) this.#handlers.send({ candidates });
  }

  async #takeCandidate(candidate: RTCIceCandidateInit): Promise<void> {
    if (this.#hasDescriptionOf(candidate)) {
      // The platform may refuse a candidate. The other candidates still work.
      await this.#pc.addIceCandidate(candidate).catch(() => {});
      return;
    }
    // The description of the candidate did not arrive yet, was ignored, or was replaced.
    this.#earlyCandidates.push(candidate);
    if (this.#earlyCandidates.length > MAX_EARLY_CANDIDATES) this.#earlyCandidates.shift();
  }

  #hasDescriptionOf({ usernameFragment }: RTCIceCandidateInit): boolean {
    const sdp = this.#pc.remoteDescription?.sdp;
    // Platforms without fragments send signals in order, so the candidate belongs to the current description.
    if (typeof usernameFragment !== "string" || sdp === undefined) return sdp !== undefined;
    return sdp.split(/\r?\n/).includes(`a=ice-ufrag:${usernameFragment}`);
  }
}
