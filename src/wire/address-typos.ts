import { bech32m } from "@scure/base";

/** The prefix of every address in bech32m, and the length of the whole text. */
export const PREFIX = "sw";
export const TEXT_LENGTH = 62;

const HEAD = `${PREFIX}1`;
const CHARACTERS = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
const CHECKSUM_LENGTH = 6;
const WORDS = TEXT_LENGTH - HEAD.length - CHECKSUM_LENGTH;

/** Describes what is wrong with a text that should be an address in bech32m, and near which characters. */
export function typosIn(given: string): string {
  // Only ASCII letters are changed, so every character keeps its position.
  const text = given.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
  const bad = text
    .split("")
    .findIndex((character, i) => (i < HEAD.length ? character !== HEAD[i] : !CHARACTERS.includes(character)));
  if (bad >= 0 && bad < HEAD.length) return `does not begin with ${HEAD}${near(given, [bad])}`;
  if (bad >= 0) return `${JSON.stringify(text[bad])} is in no address${near(given, [bad])}`;
  if (text.length < TEXT_LENGTH) return `${lengthOf(text)}${near(given, gapIn(text))}`;
  if (text.length > TEXT_LENGTH) return `${lengthOf(text)}${near(given, surplusIn(text))}`;
  const places = placesIn(text);
  if (places === undefined) return "the checksum does not match: several characters are wrong";
  if (places.length > 0) return `a typo${near(given, places)}`;
  const isMixed = given !== text && given !== given.toUpperCase();
  return isMixed ? `capital and small letters are mixed${near(given, [caseChangeIn(given)])}` : "not a key";
}

function lengthOf({ length }: string): string {
  return `${length} characters instead of ${TEXT_LENGTH}`;
}

/** The positions as text, counted from one, each with the characters around it. */
function near(text: string, places: readonly number[] | undefined): string {
  if (places === undefined) return "";
  const each = places.map((i) => `${i + 1} (${JSON.stringify(text.slice(Math.max(0, i - 2), i + 3))})`);
  return ` near character ${each.join(" and ")}`;
}

/** The position of the first letter whose case is the less frequent one in the text. */
function caseChangeIn(text: string): number {
  const capitals = text.match(/[A-Z]/g) ?? [];
  const small = text.match(/[a-z]/g) ?? [];
  return text.search(capitals.length < small.length ? /[A-Z]/ : /[a-z]/);
}

/** The position where one character is missing, if nothing else is wrong. */
function gapIn(text: string): number[] | undefined {
  if (text.length !== TEXT_LENGTH - 1) return undefined;
  return firstPlace((i) => {
    const places = placesIn(`${text.slice(0, i)}${CHARACTERS[0]}${text.slice(i)}`);
    return places !== undefined && (places.length === 0 || (places.length === 1 && places[0] === i));
  });
}

/** The position where there is one character too many, if nothing else is wrong. */
function surplusIn(text: string): number[] | undefined {
  if (text.length !== TEXT_LENGTH + 1) return undefined;
  return firstPlace((i) => placesIn(text.slice(0, i) + text.slice(i + 1))?.length === 0);
}

function firstPlace(holds: (place: number) => boolean): number[] | undefined {
  for (let i = HEAD.length; i <= TEXT_LENGTH; i++) if (holds(i)) return [i];
  return undefined;
}

/**
 * The positions of up to two wrong characters. The list is empty when all characters are right. The result is undefined
 * when more than two are wrong.
 */
function placesIn(text: string): number[] | undefined {
  const words = text
    .slice(HEAD.length)
    .split("")
    .map((character) => CHARACTERS.indexOf(character));
  const syndrome = checksumOf(words.slice(0, WORDS)) ^ packed(words.slice(WORDS));
  if (syndrome === 0) return [];
  // The distance of the bech32m code is five. So two different sets of one or two wrong characters never have the same
  // syndrome.
  typos ??= everyTypo();
  const single = typos.get(syndrome);
  if (single !== undefined) return [single];
  for (const [effect, first] of typos) {
    const second = typos.get(syndrome ^ effect);
    if (second !== undefined) return [first, second];
  }
  return undefined;
}

/** The effect of every wrong character on the checksum, with its position. Made at the first typo. */
let typos: Map<number, number> | undefined;

/**
 * The checksum is linear: a flipped bit of one character flips the same bits of the checksum, whatever the other
 * characters are.
 */
function everyTypo(): Map<number, number> {
  const effects = new Map<number, number>();
  const checksumWith = (place: number, word: number): number =>
    checksumOf(Array.from({ length: WORDS }, (_, i) => (i === place ? word : 0)));
  const base = checksumWith(0, 0);
  for (let i = 0; i < WORDS + CHECKSUM_LENGTH; i++) {
    const bits = [1, 2, 4, 8, 16].map((bit) =>
      i < WORDS ? checksumWith(i, bit) ^ base : bit << (5 * (WORDS + CHECKSUM_LENGTH - 1 - i)),
    );
    for (let flips = 1; flips < 32; flips++) {
      const effect = bits.reduce((sum, bit, b) => ((flips >> b) & 1 ? sum ^ bit : sum), 0);
      effects.set(effect, HEAD.length + i);
    }
  }
  return effects;
}

function checksumOf(words: number[]): number {
  const text = bech32m.encode(PREFIX, words).slice(-CHECKSUM_LENGTH);
  return packed(text.split("").map((character) => CHARACTERS.indexOf(character)));
}

/** Packs words of five bits into a number; the first word becomes the highest bits. */
function packed(words: readonly number[]): number {
  return words.reduce((sum, word) => (sum << 5) | word, 0);
}
