import { makeKeys } from "../../lab/index.js";
import { ADDRESSES, type Contender, MTU, PORT, startService, write } from "./contender.js";

/**
 * WireGuard by `wg-quick`, where each host's configuration has the endpoint of the other one beforehand: nothing can be
 * faster. An endpoint is the address of the other host's NAT box, and the port that the box keeps.
 */
export const wireguard: Contender = {
  name: "wg-quick, endpoints known",

  async version(_lab, { one }) {
    const [name = "", version = ""] = (await one.run(["wg", "--version"])).split(" ");
    return `${name} ${version}`;
  },

  async prepare(lab, hosts) {
    const keys = { one: await makeKeys(hosts.one.namespace), other: await makeKeys(hosts.other.namespace) };
    const confOf = (own: "one" | "other", peer: "one" | "other"): string =>
      write(
        lab,
        hosts[own],
        `${hosts[own].interface}.conf`,
        `[Interface]
PrivateKey = ${keys[own].privateKey}
Address = ${ADDRESSES[own]}/24
ListenPort = ${PORT}
MTU = ${MTU}

[Peer]
PublicKey = ${keys[peer].publicKey}
AllowedIPs = ${ADDRESSES[peer]}/32
Endpoint = ${lab.nat(peer === "one" ? "na" : "nb").outside[0]}:${PORT}
PersistentKeepalive = 25
`,
      );
    const files = [
      [hosts.one, confOf("one", "other")],
      [hosts.other, confOf("other", "one")],
    ] as const;
    return {
      address: ADDRESSES.other,
      start: () =>
        files.map(([host, file]) =>
          startService(host, ["wg-quick", "up", file], {
            ...process.env,
            WG_QUICK_USERSPACE_IMPLEMENTATION: "wireguard-go",
          }),
        ),
    };
  },
};
