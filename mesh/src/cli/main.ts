import { run } from "./program.js";

// Not process.exit, which could lose output that was written to a pipe.
process.exitCode = await run(process.argv.slice(2));
