import { answerOf, isOfChannelAlone } from "./crossing.js";
import { type Description, MAX_CANDIDATES, type SignalContent } from "./signal.js";

/** What a negotiation needs and tells. */
export interface NegotiationHandlers {
  /** Until then nothing can be carried, and candidates gather in the description that they belong to. */
  readonly isReady?: Promise<void>;
  /** Carries something to the other side. It may arrive late, twice, or after what was sent later. */
  send(content: SignalContent): void;
  /** Both sides agree, for the first time. From now on media may be negotiated. */
  onAgreed?(): void;
  /** The platform refused a description. Nothing more comes of this connection. */
  onFailure(error: unknown): void;
}

/** Descriptions may arrive before those they follow. So many are kept. */
const MAX_AHEAD = 8;
/** So many candidates are kept until their description arrives. The oldest gives way. */
const MAX_EARLY_CANDIDATES = 64;
/** So many signals may wait for their turn. Further ones are left alone: nobody has that much to say. */
const MAX_WAITING = 128;
/** A description waits so long for its first candidates, ms. Those of this machine's own addresses come at once. */
const FIRST_CANDIDATES_MS = 20;
/** Candidates that come later wait so long for others, ms, as a signal costs more than a candidate. */
const MORE_CANDIDATES_MS = 30;

/** A description that waits for its candidates. */
interface Unsent {
  readonly number: number;
  readonly description: Description;
}

/**
 * Perfect negotiation: both sides may offer at any time, and run the same code.
 *
 * The first offers of both sides are of one data channel. Where they cross, each is the answer to the other. Where
 * later offers cross, the polite side takes its own back and the impolite one leaves the other's alone.
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
  #hasAgreed = false;
  /** Something has changed that the other side was not offered yet. */
  #isOfferDue = false;
  /** The numbers of the next description of ours, and of theirs. */
  #nextOwn = 0;
  #nextTheirs = 0;
  readonly #earlyDescriptions = new Map<number, Description>();
  #earlyCandidates: RTCIceCandidateInit[] = [];
  #unsent: Unsent | undefined;
  #unsentCandidates: RTCIceCandidateInit[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isReady = true;

  /** @param polite - whether this side gives way when two later offers cross; the other must not */
  constructor(pc: RTCPeerConnection, polite: boolean, handlers: NegotiationHandlers) {
    this.#pc = pc;
    this.#polite = polite;
    this.#handlers = handlers;
    if (handlers.isReady !== undefined) {
      this.#isReady = false;
      void handlers.isReady.then(() => {
        this.#isReady = true;
        // What waits for candidates goes on waiting.
        if (this.#timer === undefined) this.#flush();
      });
    }
    pc.addEventListener("negotiationneeded", () => {
      this.#isOfferDue = true;
      this.#inTurn(() => this.#offer());
    });
    pc.addEventListener("icecandidate", ({ candidate }) => this.#found(candidate));
  }

  /** Takes what the other side says, in whatever order it arrives. */
  take(content: SignalContent): void {
    if (this.#waiting >= MAX_WAITING || "end" in content) return;
    this.#inTurn(async () => {
      if ("description" in content) await this.#takeInOrder(content.number, content.description);
      for (const candidate of content.candidates ?? []) await this.#takeCandidate(candidate);
    });
  }

  /** Lets go of what waits to be sent. */
  close(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
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
    // Answering an offer of theirs may have settled it. If not, there is another event.
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
    const isFirst = isCrossing && !this.#hasAgreed && isOfChannelAlone(description.sdp);
    if (isFirst) {
      const own = this.#pc.localDescription?.sdp ?? "";
      await this.#pc.setRemoteDescription(answerOf(description.sdp, own, this.#polite));
    } else {
      if (isCrossing && !this.#polite) return;
      // This takes an offer of one's own back, too.
      await this.#pc.setRemoteDescription(description);
      if (isOffer) await this.#describe("answer");
    }
    this.#agreed();
    const candidates = this.#earlyCandidates;
    this.#earlyCandidates = [];
    for (const candidate of candidates) await this.#takeCandidate(candidate);
  }

  #agreed(): void {
    if (this.#hasAgreed || this.#pc.signalingState !== "stable") return;
    this.#hasAgreed = true;
    this.#handlers.onAgreed?.();
  }

  /** Makes an offer, or the answer to theirs, which is sent with its first candidates. */
  async #describe(type: "offer" | "answer"): Promise<void> {
    this.#isOfferDue = false;
    // A description that still waits for candidates goes first.
    this.#flush();
    const pc = this.#pc;
    // With its argument, as not every platform's makes one by itself.
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
      // So many are told at once. What is found while nothing can be carried may be more, and the first ones do.
      if (this.#unsentCandidates.length > MAX_CANDIDATES) this.#unsentCandidates.pop();
      if (this.#unsentCandidates.length >= MAX_CANDIDATES) this.#flush();
      else if (this.#timer === undefined) this.#flushWithin(MORE_CANDIDATES_MS);
      return;
    }
    // There are no more, which need not be told. A description that is being made is not there to be sent yet.
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
      // One that the platform can't use is one way less. There are others.
      await this.#pc.addIceCandidate(candidate).catch(() => {});
      return;
    }
    // Its description is still under way, or was left alone, or has been replaced.
    this.#earlyCandidates.push(candidate);
    if (this.#earlyCandidates.length > MAX_EARLY_CANDIDATES) this.#earlyCandidates.shift();
  }

  #hasDescriptionOf({ usernameFragment }: RTCIceCandidateInit): boolean {
    const sdp = this.#pc.remoteDescription?.sdp;
    // Platforms that don't tell the fragment send their signals in order.
    if (typeof usernameFragment !== "string" || sdp === undefined) return sdp !== undefined;
    return sdp.split(/\r?\n/).includes(`a=ice-ufrag:${usernameFragment}`);
  }
}
