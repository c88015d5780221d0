import { InvalidInputError } from "./errors.js";
import { check, got } from "./schema.js";

/**
 * Detects Unix times of the years 2001 to 5138 in a wrong unit: the lowest number of each unit, and the unit's name.
 */
const UNITS: readonly (readonly [number, string | undefined])[] = [
  [1e17, "nanoseconds"],
  [1e14, "microseconds"],
  [1e11, undefined],
  [1e9, "seconds"],
];

/**
 * Reads the application's clock.
 * @returns Unix milliseconds
 * @throws InvalidInputError `INVALID_OPTION`
 */
export function readClock(getTime: () => number): number {
  let now: number;
  try {
    now = getTime();
  } catch (cause) {
    throw new InvalidInputError("INVALID_OPTION", "getTime", "threw an error", { cause });
  }
  checkUnit(now);
  check(Number.isFinite(now) && now >= 0, "INVALID_OPTION", "getTime", "Unix milliseconds", got(now));
  return now;
}

/**
 * Checks the application's clock once, at the start. A clock that throws may work later, so it is accepted. A clock
 * that uses another unit or returns no number will never work.
 * @throws InvalidInputError `INVALID_OPTION`
 */
export function checkClock(getTime: () => number): void {
  let now: unknown;
  try {
    now = getTime();
  } catch {
    return;
  }
  check(typeof now === "number", "INVALID_OPTION", "getTime", "Unix milliseconds", got(now));
  checkUnit(now);
}

function checkUnit(now: number): void {
  const [, unit] = UNITS.find(([least]) => now >= least) ?? [];
  check(
    unit === undefined,
    "INVALID_OPTION",
    "getTime",
    "Unix milliseconds",
    `${got(now)}: these are ${unit}`,
  );
}
