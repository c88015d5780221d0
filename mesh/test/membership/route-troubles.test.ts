import { expect, it } from "vitest";
import { parsePrefix } from "../../src/ip/prefix.js";
import { routeTroubles } from "../../src/membership/route-troubles.js";
import { viewOf } from "../../src/roster/view.js";
import { admit, foundedBy, giveRoles, keyOf } from "../support/roster.js";

it("says in sentences why subnets behind members are not reached", () => {
  const roster = foundedBy("ann");
  for (const [i, name] of ["web", "db"].entries()) admit(roster, "ann", name, i + 2);
  giveRoles(roster, "ann", "web", { routes: ["192.168.7.0/24", "fd12::/48"] });
  giveRoles(roster, "ann", "db", { routes: ["192.168.7.0/24", "10.9.0.0/25"] });
  const prefix = parsePrefix("192.168.7.0/24");
  const unused = prefix === undefined ? [] : [{ publicKey: keyOf("web"), prefix, because: "it is here" }];
  const refused = [
    "db does not carry 192.168.7.0/24: web carries it",
    "db does not carry 10.9.0.0/25: it covers addresses of the network itself (10.9.0.0/24)",
  ];
  const view = viewOf(roster);
  expect(routeTroubles(view, keyOf("ann"), unused, () => false).toSorted()).toEqual(
    [...refused, "192.168.7.0/24 is not reached through web from here: it is here"].toSorted(),
  );
  expect(routeTroubles(view, keyOf("web"), [], (family) => family === 6).toSorted()).toEqual(
    [
      ...refused,
      "this host carries subnets, and its kernel passes on no packets of IPv4: sysctl -w net.ipv4.ip_forward=1",
    ].toSorted(),
  );
});
