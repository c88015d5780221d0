#!/usr/bin/env node
import { existsSync } from "node:fs";

// The command is linked by `npm ci`, before it is built.
const command = new URL("../dist/cli/start.js", import.meta.url);
if (existsSync(command)) await import(command.href);
else {
  process.stderr.write("sidewire-mesh is not built yet: run `npm run build` in the repository first\n");
  process.exitCode = 1;
}
