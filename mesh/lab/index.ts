export {
  type Family,
  type HostOptions,
  type LabDescription,
  NAT_KINDS,
  type NatKind,
  type NatOptions,
  type Stray,
} from "./description.js";
export type { Host } from "./host.js";
export { type Lab, startLab } from "./lab.js";
export type { Leak } from "./leaks.js";
export type { Impairment, Link } from "./link.js";
export type { Nat } from "./nat.js";
export type { LongRunning } from "./process.js";
export type { LabBroker } from "./servers.js";
export { makeKeys, type Wireguard, type WireguardOptions, type WireguardPeer } from "./wireguard.js";
