/** The socket of a daemon with a fake mesh, in a process of its own. Usage: control-program.ts PATH */
import { ControlServer } from "../../src/control/server.js";
import { FakeMesh } from "./fake-mesh.js";

const [path = ""] = process.argv.slice(2);
await ControlServer.open({ path, mesh: new FakeMesh(), onDown: () => {} });
console.log("listening");
