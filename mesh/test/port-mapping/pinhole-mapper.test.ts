import { expect, it } from "vitest";
import type { Gateway } from "../../src/port-mapping/gateway.js";
import { GatewaySocket } from "../../src/port-mapping/gateway-socket.js";
import { PinholeMapper } from "../../src/port-mapping/pinhole-mapper.js";
import { type Behaviour, description, FakeGateway } from "../support/fake-gateway.js";

const GATEWAY: Gateway = { family: 4, address: "127.0.0.1", device: "lo", own: "127.0.0.1" };
const WISH = { internalPort: 51_820, externalPort: 51_820, nonce: new Uint8Array(12), isPermanent: false };
const FIREWALL = description("urn:schemas-upnp-org:service:WANIPv6FirewallControl:1");
const PINHOLE = { client: "127.0.0.1", protocol: "17", leaseS: 7200 };

const { signal } = new AbortController();

async function at(upnp: Behaviour["upnp"]) {
  const gateway = await FakeGateway.start({ upnp: { description: FIREWALL, ...upnp } });
  const socket = await GatewaySocket.open(GATEWAY);
  const find = (): Promise<PinholeMapper> =>
    PinholeMapper.find(GATEWAY, socket, 7200, signal, gateway.ports.search);
  const close = async (): Promise<void> => {
    await socket.close();
    await gateway[Symbol.asyncDispose]();
  };
  return { gateway, find, [Symbol.asyncDispose]: close };
}

it("a pinhole is made, renewed, made anew when it was forgotten, and removed", async () => {
  await using world = await at({});
  const { pinholes } = world.gateway;
  const mapper = await world.find();
  expect(await mapper.map(WISH, signal)).toMatchObject({ externalPort: 51_820, lifetimeS: 7200 });
  expect([...pinholes]).toEqual([[51_820, PINHOLE]]);
  pinholes.set(51_820, { ...PINHOLE, leaseS: 5 });
  await mapper.map(WISH, signal);
  expect([...pinholes]).toEqual([[51_820, PINHOLE]]);
  pinholes.clear();
  await mapper.map(WISH, signal);
  expect([...pinholes]).toEqual([[51_820, PINHOLE]]);
  await mapper.unmap(WISH, signal);
  expect([...pinholes]).toEqual([]);
});

it("a pinhole of an earlier start is removed, and one that is gone already", async () => {
  await using world = await at({});
  await (await world.find()).map(WISH, signal);
  const mapper = await world.find();
  await mapper.unmap(WISH, signal);
  expect([...world.gateway.pinholes]).toEqual([]);
  await mapper.map(WISH, signal);
  world.gateway.pinholes.clear();
  await mapper.unmap(WISH, signal);
});

it.each([606, 701, 702, 703, 705])("a no with error %i is said as such", async (code) => {
  await using world = await at({ errors: [code] });
  const mapper = await world.find();
  await expect(mapper.map(WISH, signal)).rejects.toMatchObject({
    message: `UPnP: AddPinhole failed with error ${code}`,
    instead: undefined,
  });
});

it("a gateway that maps ports of IPv4 alone opens none", async () => {
  await using world = await at({ description: description() });
  await expect(world.find()).rejects.toThrow("opens no pinholes");
});
