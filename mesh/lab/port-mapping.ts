/** miniupnpd in a NAT box: PCP, NAT-PMP and UPnP. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { find } from "../../test/support/find.js";
import type { Namespace } from "./namespace.js";
import { PINHOLE_MARK } from "./nat-rules.js";
import type { LongRunning } from "./process.js";

/** Whether boxes of a lab can map ports on this machine. */
export function hasPortMapping(): boolean {
  return find("miniupnpd") !== undefined;
}

/** What a gateway is asked by, and how long it grants a port. */
export interface PortMappingSettings {
  /** PCP and NAT-PMP. Default: yes. */
  readonly hasPcp?: boolean;
  /** Default: yes. */
  readonly hasUpnp?: boolean;
  /** The longest lease of PCP and NAT-PMP, s. Default: 86400. */
  readonly maxLeaseS?: number;
}

/**
 * Its own chains, which it fills. What it accepts in `forwarded` is accepted by this table alone: the mark tells the
 * box's rules of it.
 */
const CHAINS = `
table inet miniupnpd
delete table inet miniupnpd
table inet miniupnpd {
  chain forward {
    type filter hook forward priority filter - 9;
    meta mark set ${PINHOLE_MARK}
    jump forwarded
    meta mark set 0
  }
  chain forwarded { }
  chain prerouting {
    type nat hook prerouting priority dstnat;
    jump mapped
  }
  chain mapped { }
  chain postrouting {
    type nat hook postrouting priority srcnat;
    jump peered
  }
  chain peered { }
  chain input {
    type filter hook input priority filter - 1;
    CLOSED
  }
}`;

/** Starts it; mappings of an earlier one are gone. */
export async function startPortMapping(
  box: Namespace,
  folder: string,
  { hasPcp = true, hasUpnp = true, maxLeaseS = 86_400 }: PortMappingSettings = {},
): Promise<LongRunning> {
  const yes = (is: boolean): string => (is ? "yes" : "no");
  const path = join(folder, `${box.name}-miniupnpd`);
  const lines = {
    ext_ifname: "wan",
    listening_ip: "lan",
    enable_natpmp: yes(hasPcp),
    enable_upnp: yes(hasUpnp),
    min_lifetime: 20,
    max_lifetime: maxLeaseS,
    secure_mode: "yes",
    uuid: "00000000-0000-4000-8000-000000000000",
    upnp_table_name: "miniupnpd",
    upnp_nat_table_name: "miniupnpd",
    upnp_forward_chain: "forwarded",
    upnp_nat_chain: "mapped",
    upnp_nat_postrouting_chain: "peered",
  };
  const rules = ["allow 1024-65535 0.0.0.0/0 1024-65535", "deny 0-65535 0.0.0.0/0 0-65535"];
  const text = [...Object.entries(lines).map(([name, value]) => `${name}=${value}`), ...rules, ""];
  writeFileSync(`${path}.conf`, text.join("\n"));
  // Without NAT-PMP it answers PCP over IPv6 all the same.
  await box.set({ nft: CHAINS.replace("CLOSED", hasPcp ? "" : "udp dport 5351 drop") });
  const server = box.spawn(["miniupnpd", "-d", "-f", `${path}.conf`, "-P", `${path}.pid`]);
  await server.wrote(hasPcp ? /Listening for NAT-PMP\/PCP traffic/ : /HTTP listening on port \d+/);
  return server;
}
