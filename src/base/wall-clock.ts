import { InvalidInputError } from "./errors.js";
import { check, got } from "./schema.js";

/** Unix times of this era, 2001 to 5138, in other units than milliseconds: from where on, and the unit. */
const UNITS: readonly (readonly [number, string | undefined])[] = [
  [1e17, "nanoseconds"],
  [1e14, "microseconds"],
  [1e11, undefined],
  [1e9, "seconds"],
];

/**
 * Looks at the application's clock.
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
 * Looks at the application's clock for the first time. One that has no time yet may have it later; one that counts
 * in another unit, or gives no number, never will.
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
