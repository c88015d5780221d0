import { CommanderError } from "commander";
import { NoBrokerError, SidewireError } from "sidewire";
import { type ExitCode, Failure, reasonOf } from "./failure.js";

/** How a command ends, in words and numbers. */
export interface Ending {
  readonly exitCode: ExitCode;
  readonly code: string;
  /** The reason in one line. */
  readonly message: string;
  /** What happened at each broker, if that is the reason. */
  readonly brokers?: NoBrokerError["brokers"];
}

/** The codes of the library that mean wrong input from its caller. */
const WRONG_USE = /^(INVALID_|UNSUPPORTED$|MESSAGE_TOO_LARGE$)/;

export function endingOf(error: unknown): Ending {
  if (error instanceof Failure) {
    const { exitCode, code, message } = error;
    return { exitCode, code, message };
  }
  if (error instanceof CommanderError) {
    if (error.code === "commander.help")
      return { exitCode: 2, code: "USAGE", message: "a command is missing" };
    // commander puts its hints on a second line.
    const message = error.message.replace(/^error: /, "").replaceAll("\n", " ");
    return { exitCode: 2, code: "USAGE", message };
  }
  if (error instanceof NoBrokerError) {
    const { code, brokers } = error;
    const message =
      brokers.length === 0 ? "the pool has no broker for this machine" : "no broker could be reached";
    return { exitCode: 1, code, message, brokers };
  }
  if (error instanceof SidewireError) {
    return { exitCode: WRONG_USE.test(error.code) ? 2 : 1, code: error.code, message: error.message };
  }
  return { exitCode: 1, code: "FAILED", message: reasonOf(error) };
}
