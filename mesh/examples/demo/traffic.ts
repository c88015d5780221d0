import type { Lab } from "../../lab/index.js";

/** What passed the middle of the network. */
export interface Traffic {
  readonly packets: number;
  /** WireGuard's data: its messages of type 4. */
  readonly encrypted: number;
}

/** Counts from now on. */
export async function countTraffic({ middle }: Lab): Promise<void> {
  await middle.set({
    nft: `table inet demo {
      counter demo_packets { }
      counter demo_encrypted { }
      chain watch {
        type filter hook prerouting priority -320;
        iifname "lo" return
        counter name demo_packets
        meta l4proto udp @th,64,8 4 counter name demo_encrypted
      }
    }`,
  });
}

export async function readTraffic({ middle }: Lab): Promise<Traffic> {
  const listing: { readonly nftables: readonly { counter?: { name: string; packets: number } }[] } =
    JSON.parse(await middle.run(["nft", "-j", "list", "counters", "table", "inet", "demo"]));
  const of = (name: keyof Traffic): number =>
    listing.nftables.find(({ counter }) => counter?.name === `demo_${name}`)?.counter?.packets ?? 0;
  return { packets: of("packets"), encrypted: of("encrypted") };
}
