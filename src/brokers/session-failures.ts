import { BrokerError } from "../base/errors.js";
import type { Stage } from "../platform/platform.js";

/** The packet or event that a session waits for. */
export type State = "connection" | "connack" | "suback" | "messages" | "nothing";

/** The reasons for a refusal in CONNACK (MQTT 3.1.1, section 3.2.2.3). */
const REFUSALS: Readonly<Record<number, string>> = {
  1: "unacceptable protocol version",
  2: "identifier rejected",
  3: "server unavailable",
  4: "bad username or password",
  5: "not authorized",
};

/** The step that was not answered. */
const UNANSWERED: Readonly<Record<string, string>> = {
  handshake: " to the handshake",
  connack: " to CONNECT",
  suback: " to SUBSCRIBE",
};

/** The error for a refusal in CONNACK. */
export function refusedWith(code: number): BrokerError {
  const problem = `refused with code ${code}: ${REFUSALS[code] ?? "unknown"}`;
  return new BrokerError("refused", problem, { returnCode: code });
}

/** The error for a session that was not open in time. */
export function tooLate(state: State, stage: Stage, timeoutMs: number): BrokerError {
  const waitedFor = state === "connection" ? stage : state;
  const problem = `no answer${UNANSWERED[waitedFor] ?? ""} within ${timeoutMs} ms`;
  return waitedFor === "lookup"
    ? new BrokerError("dns", `the name does not resolve: ${problem}`)
    : new BrokerError("timeout", problem);
}

/** The error for the end of a connection, which depends on what the session was waiting for. */
export function endOf(state: State, cause: unknown): BrokerError {
  const isOpen = state === "messages";
  if (cause instanceof BrokerError && (!isOpen || cause.reason === "protocol")) return cause;
  const words = cause === undefined ? "" : wordsOf(cause);
  if (isOpen) return new BrokerError("lost", words || "closed by the broker", { cause });
  if (state === "suback")
    return new BrokerError("subscription", `${words || "closed"} when the subscription was asked for`, {
      cause,
    });
  const when = words === "" || state === "connack" ? " before it answered" : "";
  return new BrokerError("unreachable", `${words || "closed"}${when}`, { cause });
}

/** An AggregateError has no message of its own. */
function wordsOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  return cause.message || String("code" in cause ? cause.code : cause.name);
}
