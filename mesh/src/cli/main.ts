import { run } from "./program.js";

// Not process.exit, which could lose output that was written to a pipe.
void run(process.argv.slice(2)).then((exitCode) => {
  process.exitCode = exitCode;
});
