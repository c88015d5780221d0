import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ADDRESSES, type Contender, folderOf, MTU, startService, write } from "./contender.js";

const PORT = 655;

/** tinc, where one node can be reached by everybody, and the two others connect to it. */
export const tinc: Contender = {
  name: "tinc",

  async version(_lab, { one }) {
    const [first = ""] = (await one.run(["tincd", "--version"])).split("\n");
    return first.replace(" version", "").replace(/ \(.*/, "");
  },

  async prepare(lab, hosts) {
    const names = ["one", "other", "open"] as const;
    for (const which of names) {
      const host = hosts[which];
      const reach = which === "open" ? `Address = ${host.address()} ${PORT}\n` : "";
      write(lab, host, `hosts/${which}`, `${reach}Subnet = ${ADDRESSES[which]}/32\n`);
      write(
        lab,
        host,
        "tinc.conf",
        `Name = ${which}\nInterface = ${host.interface}\n${which === "open" ? "" : "ConnectTo = open\n"}`,
      );
      write(
        lab,
        host,
        "tinc-up",
        `#!/bin/sh\nip addr add ${ADDRESSES[which]}/24 dev $INTERFACE\nip link set $INTERFACE mtu ${MTU} up\n`,
        0o755,
      );
      // Without a terminal it takes the default files: the private key, and the public one in the file of the host.
      await host.run(["tincd", "-c", folderOf(lab, host), "-K2048"], { input: "\n\n" });
    }
    for (const which of names) {
      const file = readFileSync(join(folderOf(lab, hosts[which]), "hosts", which), "utf8");
      for (const to of names) if (to !== which) write(lab, hosts[to], `hosts/${which}`, file);
    }
    const argvOf = (which: (typeof names)[number]): readonly string[] => {
      const folder = folderOf(lab, hosts[which]);
      return ["tincd", "-D", "-d1", "-c", folder, "--pidfile", join(folder, "pid")];
    };
    await startService(hosts.open, argvOf("open")).wrote(/Ready/);
    return {
      address: ADDRESSES.other,
      start: () => [startService(hosts.one, argvOf("one")), startService(hosts.other, argvOf("other"))],
    };
  },
};
