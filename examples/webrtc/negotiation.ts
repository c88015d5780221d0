import type { SignalContent } from "./signal.js";

/**
 * Perfect negotiation: both sides may offer at any time, and run the same code. Where two offers cross,
 * the polite side takes its own back, the impolite one doesn't listen; the order of the keys says who is who.
 */
export class Negotiation {
  readonly #pc: RTCPeerConnection;
  readonly #polite: boolean;
  readonly #send: (content: SignalContent) => void;
  #makingOffer = false;
  #settingAnswer = false;
  #ignoringOffer = false;

  constructor(pc: RTCPeerConnection, polite: boolean, send: (content: SignalContent) => void) {
    this.#pc = pc;
    this.#polite = polite;
    this.#send = send;
    pc.onnegotiationneeded = () => void this.#offer();
    // That there are no more, the last one being null, need not be told.
    pc.onicecandidate = ({ candidate }) => {
      if (candidate !== null) send({ candidate: candidate.toJSON() });
    };
  }

  /**
   * Takes what the other side says.
   * @throws what the browser says of a description or a candidate that makes no sense
   */
  async take(content: SignalContent): Promise<void> {
    if ("description" in content) {
      await this.#takeDescription(content.description);
      return;
    }
    try {
      await this.#pc.addIceCandidate(content.candidate);
    } catch (error) {
      // It belongs to the offer that was not listened to.
      if (!this.#ignoringOffer) throw error;
    }
  }

  async #offer(): Promise<void> {
    try {
      this.#makingOffer = true;
      await this.#pc.setLocalDescription();
      this.#sendDescription();
    } finally {
      this.#makingOffer = false;
    }
  }

  async #takeDescription(description: RTCSessionDescriptionInit): Promise<void> {
    const pc = this.#pc;
    const isOffer = description.type === "offer";
    const isReady = !this.#makingOffer && (pc.signalingState === "stable" || this.#settingAnswer);
    this.#ignoringOffer = isOffer && !isReady && !this.#polite;
    if (this.#ignoringOffer) return;
    this.#settingAnswer = !isOffer;
    try {
      await pc.setRemoteDescription(description);
    } finally {
      this.#settingAnswer = false;
    }
    if (!isOffer) return;
    await pc.setLocalDescription();
    this.#sendDescription();
  }

  #sendDescription(): void {
    const { type, sdp } = this.#pc.localDescription ?? {};
    if (type === "offer" || type === "answer") this.#send({ description: { type, sdp: sdp ?? "" } });
  }
}
