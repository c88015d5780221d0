import type { LabDescription } from "./description.js";

export interface Example extends LabDescription {
  /** One line for people. */
  readonly about: string;
}

const SERVERS = { brokers: 2, stun: true } as const;

/** Labs to look at, by name. */
export const EXAMPLES: Readonly<Record<string, Example>> = {
  "two-nats": {
    about: "two hosts, each behind a NAT box that lets in only who was spoken to",
    nats: { a: { kind: "port-restricted" }, b: { kind: "port-restricted" } },
    hosts: { ha: { behind: "a" }, hb: { behind: "b" } },
    ...SERVERS,
  },
  "hard-nats": {
    about: "two hosts, each behind a NAT box with another port for each destination",
    nats: { a: { kind: "symmetric" }, b: { kind: "symmetric" } },
    hosts: { ha: { behind: "a" }, hb: { behind: "b" }, hc: {} },
    ...SERVERS,
  },
  "same-lan": {
    about: "two hosts in one LAN, and one elsewhere",
    nats: { a: { kind: "port-restricted", hairpin: true }, b: { kind: "port-restricted" } },
    hosts: { ha: { behind: "a" }, hb: { behind: "a" }, hc: { behind: "b" } },
    ...SERVERS,
  },
  "double-nat": {
    about: "two homes behind one provider's NAT, and a host outside",
    nats: {
      provider: { kind: "port-restricted", hairpin: true },
      a: { kind: "port-restricted", behind: "provider" },
      b: { kind: "port-restricted", behind: "provider" },
    },
    hosts: { ha: { behind: "a" }, hb: { behind: "b" }, hc: {} },
    ...SERVERS,
  },
  "two-uplinks": {
    about: "a host that can leave by two NAT boxes; the second uplink is down",
    nats: {
      home: { kind: "port-restricted" },
      mobile: { kind: "symmetric" },
      b: { kind: "port-restricted" },
    },
    hosts: { ha: { behind: ["home", "mobile"], down: ["eth1"] }, hb: { behind: "b" } },
    ...SERVERS,
  },
  ipv6: {
    about: "two hosts with IPv6 behind firewalls, and IPv4 behind NAT",
    family: "both",
    nats: { a: { kind: "port-restricted" }, b: { kind: "symmetric" } },
    hosts: { ha: { behind: "a" }, hb: { behind: "b" } },
    ...SERVERS,
  },
};
