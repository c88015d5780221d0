import { SidewireError } from "../base/errors.js";
import { nextTask } from "../base/next-task.js";
import { BrowserConnection } from "./browser-connection.js";
import { noble } from "./noble.js";
import type { Platform } from "./platform.js";
import { webSocketUrl } from "./web-socket-url.js";

/** Browsers: noble's cryptography, WebSockets only. */
export const platform: Platform = {
  ...noble,

  transports: ["wss", "ws"],
  familiesAreOne: true,
  // A page in the background has a timer a minute. Brokers take up to five minutes.
  keepAliveS: 180,

  localFamilies() {
    return ["IPv4", "IPv6"];
  },

  // Hints name plain ports, which no page can speak to: where the pool has not the broker, there is nothing to dial.
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
