import { SidewireError } from "../base/errors.js";
import { nextTask } from "../base/next-task.js";
import { BrowserConnection } from "./browser-connection.js";
import { noble } from "./noble.js";
import type { Platform } from "./platform.js";
import { webSocketUrl } from "./web-socket-url.js";

/** The platform of browsers: cryptography by noble, connections by WebSocket only. */
export const platform: Platform = {
  ...noble,

  transports: ["wss", "ws"],
  familiesAreOne: true,
  // A page in the background may get only one timer a minute, and brokers accept up to five minutes.
  keepAliveS: 180,

  localFamilies() {
    return ["IPv4", "IPv6"];
  },

  // A hint names the port of plain MQTT, and a page cannot connect to such a port. So a hinted broker that is not in
  // the pool is never dialled.
  isPrivateHost: () => true,

  parseSocketOptions(nic, ca) {
    for (const [name, value] of Object.entries({ nic, ca })) {
      if (value !== undefined) throw new SidewireError("UNSUPPORTED", `${name}: not in a browser`);
    }
    return { nic: {}, ca: undefined };
  },

  openConnection: (target, events) => new BrowserConnection(webSocketUrl(target), events),

  nextTurn: nextTask,
};
