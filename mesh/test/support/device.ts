import { join } from "node:path";
import { type Host, type Lab, makeKeys, type Wireguard } from "../../lab/index.js";
import { Device } from "../../src/device/device.js";
import type { DeviceOptions } from "../../src/device/options.js";
import { Programs } from "../../src/device/programs.js";
import { type Endpoint, parseEndpoint } from "../../src/ip/endpoint.js";
import type { StartLab } from "./needs.js";

/** Opens the device of a host. What it remembers goes with the lab. */
export async function openDevice(
  lab: Lab,
  host: Host,
  options: Partial<DeviceOptions> & { readonly name?: string } = {},
): Promise<Device> {
  const { name = host.interface, ...rest } = options;
  return await Device.open(name, {
    stateFolder: join(lab.folder, `state-${host.name}`),
    lockFolder: join(lab.folder, `locks-${host.name}`),
    programs: programsOf(host),
    ...rest,
  });
}

/** Programs that run in a host. */
export function programsOf(host: Host): Programs {
  return new Programs({ prefix: host.namespace.command([]) });
}

/** All that a device may change, as text. Handles are left out: they count what ever was. */
export async function snapshot(host: Host): Promise<string> {
  const config = await host.run(["wg", "showconf", host.interface]);
  const [own = "", ...peers] = config.split("[Peer]");
  const rules = await host.run(["nft", "-j", "list", "ruleset"]);
  return [
    // wireguard-go lists them in an order that changes.
    own.trim(),
    ...peers.map((peer) => peer.trim()).sort(),
    // The kernel takes its time to try an address.
    (await host.run(["ip", "-j", "addr"])).replaceAll(/,"tentative":true/g, ""),
    await host.run(["ip", "-j", "route"]),
    await host.run(["ip", "-j", "-6", "route"]),
    rules.replaceAll(/, "handle": \d+/g, ""),
  ].join("\n");
}

/** One of two hosts with a tunnel. */
export interface Side {
  readonly host: Host;
  readonly wireguard: Wireguard;
  /** base64. */
  readonly publicKey: string;
  /** In the overlay. */
  readonly overlay: string;
  /** Where its WireGuard is reached. */
  readonly endpoint: Endpoint;
}

/** Two hosts with public addresses that know each other's keys, and no endpoints. */
export async function twoSides(startLab: StartLab): Promise<{ lab: Lab; a: Side; b: Side }> {
  const lab = await startLab({ hosts: { ha: {}, hb: {} }, family: "both" });
  const hosts = [lab.host("ha"), lab.host("hb")] as const;
  const keys = [await makeKeys(hosts[0].namespace), await makeKeys(hosts[1].namespace)] as const;
  const side = async (own: 0 | 1): Promise<Side> => {
    const host = hosts[own];
    const { privateKey, publicKey } = keys[own];
    const other = keys[own === 0 ? 1 : 0].publicKey;
    const allowedIps = [`10.9.0.${2 - own}/32`, `fd00:9::${2 - own}/128`];
    const wireguard = await host.wireguard({
      privateKey,
      peers: [{ publicKey: other, allowedIps }],
      address: `10.9.0.${1 + own}/24`,
    });
    return {
      host,
      wireguard,
      publicKey,
      overlay: `10.9.0.${1 + own}`,
      endpoint: endpoint(host.address(), 51_820),
    };
  };
  return { lab, a: await side(0), b: await side(1) };
}

export function endpoint(address: string, port: number): Endpoint {
  const parsed = parseEndpoint(address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`);
  if (parsed === undefined) throw new Error(`${address} is no address`);
  return parsed;
}
