import { InvalidArgumentError } from "commander";

/** Reads a whole number within limits. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const number = Number(text);
    if (/^\d+$/.test(text) && number >= min && number <= max) return number;
    throw new InvalidArgumentError(`Expected a whole number from ${min} to ${max}.`);
  };
}

/** An empty value probably comes from an unset variable in a script. It must not count as the current folder. */
export function notEmpty(text: string): string {
  if (text === "") throw new InvalidArgumentError("It is empty.");
  return text;
}

/** Reads several values, separated by commas. */
export function list(text: string): string[] {
  return notEmpty(text)
    .split(",")
    .map((one) => notEmpty(one.trim()));
}

/** Adds a value to an option that may be repeated. */
export function collect(text: string, before: readonly string[] = []): string[] {
  return [...before, notEmpty(text)];
}
