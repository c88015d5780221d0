// As on Android, where the list of interfaces is refused.
import { syncBuiltinESMExports } from "node:module";
import os from "node:os";

os.networkInterfaces = () => {
  throw new Error("uv_interface_addresses returned Unknown system error 13");
};
syncBuiltinESMExports();
