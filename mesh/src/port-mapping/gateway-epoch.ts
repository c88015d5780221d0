/** The difference in seconds that is normal between two clocks (RFC 6887, section 8.5). */
const SLACK_S = 2;
/** The normal relative difference between the rates of two clocks: one sixteenth (RFC 6887, section 8.5). */
const RATE = 1 / 16;

/**
 * The epoch of a gateway: how long it has had its mappings, in seconds. If the epoch does not advance like time, the
 * gateway has forgotten all mappings. All times are monotonic milliseconds.
 */
export class GatewayEpoch {
  #last: { readonly epochS: number; readonly at: number } | undefined;

  /** @returns whether the gateway has forgotten its mappings since its last message; false for the first message */
  says(epochS: number, now: number): boolean {
    const last = this.#last;
    this.#last = { epochS, at: now };
    if (last === undefined) return false;
    const theirsS = epochS - last.epochS;
    const oursS = (now - last.at) / 1000;
    return theirsS + SLACK_S < oursS * (1 - RATE) || oursS + SLACK_S < theirsS * (1 - RATE);
  }

  /** Must be called for another gateway. */
  forget(): void {
    this.#last = undefined;
  }
}
