/** What seconds of two clocks may differ by chance (RFC 6887, section 8.5). */
const SLACK_S = 2;
/** What clocks may differ by their rates: a part in sixteen (RFC 6887, section 8.5). */
const RATE = 1 / 16;

/**
 * The seconds since a gateway has its mappings, as it says itself. They go on as time does, or it has forgotten all. Times
 * are monotonic milliseconds.
 */
export class GatewayEpoch {
  #last: { readonly epochS: number; readonly at: number } | undefined;

  /** @returns whether the gateway has forgotten its mappings since it was last heard; no when it was never heard */
  says(epochS: number, now: number): boolean {
    const last = this.#last;
    this.#last = { epochS, at: now };
    if (last === undefined) return false;
    const theirsS = epochS - last.epochS;
    const oursS = (now - last.at) / 1000;
    return theirsS + SLACK_S < oursS * (1 - RATE) || oursS + SLACK_S < theirsS * (1 - RATE);
  }

  /** Another gateway. */
  forget(): void {
    this.#last = undefined;
  }
}
