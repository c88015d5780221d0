/** The command, run from its source, with times that are shorter. Arguments: these times as JSON, then those of the command. */
import { Mesh } from "../../src/mesh.js";

const [times = "{}"] = process.argv.splice(2, 1);
const open = Mesh.open.bind(Mesh);
Mesh.open = (options) => open({ ...options, times: JSON.parse(times) });
await import("../../src/cli/main.js");
