import type { Lab } from "../../lab/index.js";

/** Which packets between the NATs `a` and `b` are lost: those that `a` sends to `b`, the others, all, or none. */
export type Lost = "to b" | "to a" | "all" | "none";

/** From now on, these packets are lost. */
export async function lose(lab: Lab, lost: Lost): Promise<void> {
  const [a = ""] = lab.nat("a").outside;
  const [b = ""] = lab.nat("b").outside;
  const rule = (from: string): string => `ip saddr ${from} udp dport != 0 drop`;
  const chain = "chain between {\ntype filter hook prerouting priority -300;";
  const rules = {
    a: lost === "all" || lost === "to a" ? rule(b) : "",
    b: lost === "all" || lost === "to b" ? rule(a) : "",
  };
  // In the box that they come to: what is outside is a bridge.
  for (const nat of ["a", "b"] as const)
    await lab.nat(nat).namespace.set({
      nft: `table ip lossy\ndelete table ip lossy\ntable ip lossy {\n${chain}\n${rules[nat]}\n}\n}`,
    });
}
