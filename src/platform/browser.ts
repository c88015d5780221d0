import { SidewireError } from "../base/errors.js";
import { noble } from "./noble.js";
import type { Platform } from "./platform.js";

/** Browsers: noble's cryptography, WebSockets only. */
export const platform: Platform = {
  ...noble,

  transports: ["wss", "ws"],
  familiesAreOne: true,

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

  openSocket() {
    throw new SidewireError("UNSUPPORTED", "no TCP in a browser");
  },

  webSocketOptions() {
    return {};
  },
};
