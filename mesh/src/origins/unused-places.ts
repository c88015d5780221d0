import type { WrittenPlace } from "../config/host-places.js";

/** The maximum number of peers that are named. */
const MAX_NAMED = 16;

/** A sentence for each peer with more than one place: one of them is used. Where there are many, the rest is counted. */
export function unusedPlaces(written: readonly WrittenPlace[]): string[] {
  const texts = new Map<string, { readonly part: string; readonly all: Set<string> }>();
  for (const { publicKey, text, part } of written) {
    const known = texts.get(publicKey);
    if (known === undefined) texts.set(publicKey, { part, all: new Set([text]) });
    else known.all.add(text);
  }
  const several = [...texts.values()].filter(({ all }) => all.size > 1);
  const more = several.length - MAX_NAMED;
  return [
    ...several
      .slice(0, MAX_NAMED)
      .map(
        ({ part, all }) =>
          `${part}: of the ${all.size} endpoints of this peer, only the first one that can be looked up is used`,
      ),
    ...(more > 0 ? [`${more} more ${more === 1 ? "peer has" : "peers have"} several endpoints, too`] : []),
  ];
}
