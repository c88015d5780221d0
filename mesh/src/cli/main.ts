import { run } from "./program.js";

// Not process.exit: what was written to a pipe must get there.
process.exitCode = await run(process.argv.slice(2));
