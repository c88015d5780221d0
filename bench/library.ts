const url: string | undefined = process.env.SIDEWIRE_DIST;
if (url === undefined) throw new Error("SIDEWIRE_DIST is not set");

/** The built package, as its users get it, with the types of its source. */
export const library: typeof import("../src/index.js") = await import(url);
