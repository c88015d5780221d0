import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { runBundle } from "./code-cache.js";

/** The commands that stay. The others would keep only the little code that they need themselves. */
const DAEMONS: readonly string[] = ["up", "join"];

const bundle: string = fileURLToPath(new URL("main.cjs", import.meta.url));
// As a service, the command cannot write beside itself: systemd names a folder for that. If there are several, the first
// one is for this use (systemd.exec(5)).
const [folder] = (process.env.CACHE_DIRECTORY ?? "").split(":");

runBundle(bundle, join(folder || dirname(bundle), "main.cache"), DAEMONS.includes(process.argv[2] ?? ""));
