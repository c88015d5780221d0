import type { Lab } from "../../lab/index.js";

/**
 * Which packets between the NATs `a` and `b` are lost: those that `a` sends to `b`, the others, all, none, or those of
 * WireGuard, as with a firewall that drops these and lets STUN pass.
 */
export type Lost = "to b" | "to a" | "all" | "none" | "WireGuard's";

/** What is no probe, as nft says it: a UDP header has 8 bytes, and a probe STUN's magic cookie in its bytes 4 to 7. */
export const IS_NO_PROBE = "@th,96,32 != 0x2112a442";

/** From now on, these packets are lost. */
export async function lose(lab: Lab, lost: Lost): Promise<void> {
  const [a = ""] = lab.nat("a").outside;
  const [b = ""] = lab.nat("b").outside;
  const which = lost === "WireGuard's" ? IS_NO_PROBE : "";
  const rule = (from: string): string => `ip saddr ${from} meta l4proto udp ${which} drop`;
  const chain = "chain between {\ntype filter hook prerouting priority -300;";
  const rules = {
    a: lost === "none" || lost === "to b" ? "" : rule(b),
    b: lost === "none" || lost === "to a" ? "" : rule(a),
  };
  // In the box that they come to: what is outside is a bridge.
  for (const nat of ["a", "b"] as const)
    await lab.nat(nat).namespace.set({
      nft: `table ip lossy\ndelete table ip lossy\ntable ip lossy {\n${chain}\n${rules[nat]}\n}\n}`,
    });
}
