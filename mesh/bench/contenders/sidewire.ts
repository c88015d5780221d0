import { join } from "node:path";
import { makeKeys } from "../../lab/index.js";
import { ADDRESSES, type Contender, folderOf, PORT, startService, write } from "./contender.js";

const COMMAND: string = join(import.meta.dirname, "../../bin/sidewire-mesh.js");

/** `sidewire-mesh up --create` on both hosts, which know each other's public key. */
export const sidewire: Contender = {
  name: "sidewire-mesh",

  async version(_lab, { one }) {
    return `sidewire-mesh ${(await one.run([process.execPath, COMMAND, "--version"])).trim()}`;
  },

  async prepare(lab, { one, other }) {
    const keys = { one: await makeKeys(one.namespace), other: await makeKeys(other.namespace) };
    const argvOf = (own: "one" | "other", peer: "one" | "other"): readonly string[] => {
      const host = own === "one" ? one : other;
      return [
        ...[process.execPath, COMMAND, "up", host.interface, "--create", "--json"],
        ...["--private-key", write(lab, host, "key", keys[own].privateKey)],
        ...["--address", `${ADDRESSES[own]}/24`, "--listen-port", `${PORT}`],
        ...["--peer", `${keys[peer].publicKey},${ADDRESSES[peer]}/32`],
        ...["--brokers", lab.brokersFile, "--stun", lab.stun.join(",")],
        ...["--state", join(folderOf(lab, host), "state")],
      ];
    };
    return {
      address: ADDRESSES.other,
      start: () => [startService(one, argvOf("one", "other")), startService(other, argvOf("other", "one"))],
    };
  },
};
