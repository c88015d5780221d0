const url: string | undefined = process.env.SIDEWIRE_DIST;
if (url === undefined) throw new Error("SIDEWIRE_DIST is not set");

/** The built package, as its users get it, with the types of its source. */
export const library: typeof import("../src/index.js") = await import(url);

const fast: typeof import("../src/libsecp256k1.js") = await import(new URL("libsecp256k1.js", url).href);

/** Its way to libsecp256k1, likewise. */
export const libsecp256k1: typeof fast.libsecp256k1 = fast.libsecp256k1;
