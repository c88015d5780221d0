import { join } from "node:path";
import type { Host } from "../../lab/index.js";
import { ADDRESSES, type Contender, folderOf, MTU, startService, write } from "./contender.js";

const LIGHTHOUSE_PORT = 4242;

/** nebula with one lighthouse, which is in the open. Hosts punch as its documentation advises. */
export const nebula: Contender = {
  name: "nebula",

  async version(_lab, { one }) {
    return `nebula ${(await one.run(["nebula", "-version"])).replace("Version:", "").trim()}`;
  },

  async prepare(lab, hosts) {
    const ca = join(folderOf(lab, hosts.open), "ca");
    const certify = ["nebula-cert"];
    await hosts.open.run([
      ...certify,
      ...["ca", "-name", "lab", "-out-crt", `${ca}.crt`, "-out-key", `${ca}.key`],
    ]);
    const configure = async (which: keyof typeof ADDRESSES): Promise<readonly string[]> => {
      const host = hosts[which];
      const path = join(folderOf(lab, host), "host");
      await host.run([
        ...[...certify, "sign", "-ca-crt", `${ca}.crt`, "-ca-key", `${ca}.key`],
        ...["-name", which, "-ip", `${ADDRESSES[which]}/24`],
        ...["-out-crt", `${path}.crt`, "-out-key", `${path}.key`],
      ]);
      const config = configOf(host, which === "open", hosts.open, ca, path);
      return ["nebula", "-config", write(lab, host, "config.yml", config)];
    };
    const lighthouse = startService(hosts.open, await configure("open"));
    const argvs = { one: await configure("one"), other: await configure("other") };
    await lighthouse.wrote(/Nebula interface is active/);
    return {
      address: ADDRESSES.other,
      start: () => [startService(hosts.one, argvs.one), startService(hosts.other, argvs.other)],
    };
  },
};

function configOf(host: Host, isLighthouse: boolean, open: Host, ca: string, own: string): string {
  return `pki:
  ca: ${ca}.crt
  cert: ${own}.crt
  key: ${own}.key
static_host_map:
  "${ADDRESSES.open}": ["${open.address()}:${LIGHTHOUSE_PORT}"]
lighthouse:
  am_lighthouse: ${isLighthouse}
  interval: 10
  hosts: [${isLighthouse ? "" : `"${ADDRESSES.open}"`}]
listen:
  host: 0.0.0.0
  port: ${isLighthouse ? LIGHTHOUSE_PORT : 0}
punchy:
  punch: true
  respond: true
tun:
  dev: ${host.interface}
  mtu: ${MTU}
firewall:
  outbound: [{ port: any, proto: any, host: any }]
  inbound: [{ port: any, proto: any, host: any }]
`;
}
