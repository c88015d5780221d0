import { InvalidArgumentError } from "commander";

/** A whole number within bounds. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const number = Number(text);
    if (/^\d+$/.test(text) && number >= min && number <= max) return number;
    throw new InvalidArgumentError(`Expected a whole number from ${min} to ${max}.`);
  };
}

/** A variable without a value in a script is a mistake, and must not count as the working folder. */
export function notEmpty(text: string): string {
  if (text === "") throw new InvalidArgumentError("It is empty.");
  return text;
}

/** Several, with a comma between them. */
export function list(text: string): string[] {
  return notEmpty(text)
    .split(",")
    .map((one) => notEmpty(one.trim()));
}

/** One more of an option that may be repeated. */
export function collect(text: string, before: readonly string[] = []): string[] {
  return [...before, notEmpty(text)];
}
