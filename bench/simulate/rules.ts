import { parseRouterOptions, parseSendOptions } from "../../src/options.js";

/** The options that matter here. */
export interface Rules {
  readonly inboundBrokers: number;
  readonly reserveBrokers: number;
  readonly fanOut: number;
  readonly widenAfterMs: number;
  readonly timeoutMs: number;
}

/** The library's defaults, as the library fills them in. */
export const RULES: Rules = defaults();

/** On how many brokers of a family a peer listens. */
export const LISTENED: number = RULES.inboundBrokers + RULES.reserveBrokers;

function defaults(): Rules {
  const { inboundBrokers, reserveBrokers, fanOut, widenAfterMs } = parseRouterOptions({ getTime: Date.now });
  const { timeoutMs } = parseSendOptions({});
  return { inboundBrokers, reserveBrokers, fanOut, widenAfterMs, timeoutMs };
}
