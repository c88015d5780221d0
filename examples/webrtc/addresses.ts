import { type NetworkInterfaceInfo, networkInterfaces } from "node:os";

/** The IPv4 addresses of this machine. */
export function ownAddresses(): NetworkInterfaceInfo[] {
  return Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .filter(({ family }) => family === "IPv4");
}
