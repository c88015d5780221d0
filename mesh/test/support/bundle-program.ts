/** Runs a bundle as the command does: `BUNDLE CACHE [keep]`. Says then whether the cache was used. */
import { runBundle } from "../../src/cli/code-cache.js";

const [, , bundle = "", cache = "", isKept] = process.argv;
const isUsed = runBundle(bundle, cache, isKept === "keep");
process.stdout.write(isUsed ? " used" : " not used");
