import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type DeviceState, parseDump } from "../../src/device/state.js";
import { MeshError } from "../../src/errors.js";
import { formatEndpoint } from "../../src/ip/endpoint.js";
import { formatPrefix, parsePrefix } from "../../src/ip/prefix.js";
import { formatKey } from "../../src/wireguard-key.js";

const OWN = "gHQplz3bESQX7LN5ANzVuYHdpotV2Ak0WONYp5Uac1c=\tSUxp0aVD30Wnla4jSg6O13JRpxWJfnULduMGjI3/9l8=";
const PEER = "GezxCRG7AgGoUcpiIxFMPo1FeAkpQbddG1F8ml0ko2g=";

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const key = bytes(32).map(formatKey);
const count = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const prefix = fc
  .oneof(
    fc.tuple(fc.ipV4(), fc.integer({ min: 0, max: 32 })),
    fc.tuple(fc.ipV6(), fc.integer({ min: 0, max: 128 })),
  )
  .map(([address, bits]) => `${address}/${bits}`)
  .filter((text) => parsePrefix(text) !== undefined);
const port = fc.integer({ min: 1, max: 0xffff });
const orNone = (one: fc.Arbitrary<string>) => fc.oneof(fc.constant("(none)"), one);
const peerLine = fc
  .tuple(
    key,
    orNone(key),
    orNone(fc.tuple(fc.ipV4(), port).map((parts) => parts.join(":"))),
    orNone(fc.array(prefix, { minLength: 1, maxLength: 5 }).map((all) => all.join(","))),
    count,
    count,
    count,
    fc.oneof(fc.constant("off"), port.map(String)),
  )
  .map((fields) => fields.join("\t"));

/** A dump with the same meaning: what it was parsed from, as far as it has one spelling. */
function format({ privateKey, publicKey, listenPort, fwmark, peers }: DeviceState): string {
  const orNothing = (text: string | undefined): string =>
    text === undefined || text === "" ? "(none)" : text;
  return [
    [
      orNothing(privateKey && formatKey(privateKey)),
      orNothing(publicKey && formatKey(publicKey)),
      listenPort,
      fwmark === 0 ? "off" : `0x${fwmark.toString(16)}`,
    ],
    ...peers.map((peer) => [
      peer.publicKey,
      orNothing(peer.presharedKey),
      orNothing(peer.endpoint && formatEndpoint(peer.endpoint)),
      orNothing(peer.allowedIps.map(formatPrefix).join(",")),
      peer.lastHandshake ?? 0,
      peer.receivedBytes,
      peer.sentBytes,
      peer.keepaliveS === 0 ? "off" : peer.keepaliveS,
    ]),
  ]
    .map((fields) => `${fields.join("\t")}\n`)
    .join("");
}

describe("what `wg show IF dump` says", () => {
  it("is understood", () => {
    const state = parseDump(
      "wg0",
      `${OWN}\t51820\t0xca6c\n${PEER}\t(none)\t[fe80::1%eth0]:7\t10.7.0.2/32,fd00:7::2/128\t1795913925\t3292\t3380\t25\n`,
    );
    expect(state).toMatchObject({ name: "wg0", listenPort: 51_820, fwmark: 0xca6c });
    expect(state.peers).toMatchObject([
      {
        publicKey: PEER,
        presharedKey: undefined,
        endpoint: undefined,
        endpointText: "[fe80::1%eth0]:7",
        lastHandshake: 1_795_913_925,
        receivedBytes: 3292,
        sentBytes: 3380,
        keepaliveS: 25,
      },
    ]);
    expect(state.peers[0]?.allowedIps.map(formatPrefix)).toEqual(["10.7.0.2/32", "fd00:7::2/128"]);
  });

  it("is understood where nothing is set yet", () => {
    expect(parseDump("wg0", "(none)\t(none)\t0\toff\n")).toEqual({
      name: "wg0",
      privateKey: undefined,
      publicKey: undefined,
      listenPort: 0,
      fwmark: 0,
      peers: [],
    });
  });

  it("loses nothing", () => {
    fc.assert(
      fc.property(fc.array(peerLine, { maxLength: 5 }), port, (peers, listenPort) => {
        const once = format(
          parseDump("wg0", `${OWN}\t${listenPort}\toff\n${peers.map((peer) => `${peer}\n`).join("")}`),
        );
        expect(format(parseDump("wg0", once))).toBe(once);
        expect(once.split("\n").length).toBe(peers.length + 2);
      }),
    );
  });

  it("is refused when it is something else, without showing the keys in it", () => {
    const whole = `${OWN}\t51820\toff\n${PEER}\t${PEER}\t192.0.2.1:7\t10.7.0.2/32\t0\t0\t0\toff\n`;
    const damaged = fc
      .tuple(fc.nat(whole.length), fc.nat(20), fc.string({ unit: "binary", maxLength: 20 }))
      .map(([at, length, text]) => whole.slice(0, at) + text + whole.slice(at + length));
    fc.assert(
      fc.property(fc.oneof(damaged, fc.string({ unit: "binary" }), peerLine), (text) => {
        try {
          parseDump("wg0", text);
        } catch (error) {
          if (!(error instanceof MeshError)) throw error;
          expect(error.code).toBe("COMMAND_FAILED");
          expect(`${error.message}${error.cause}`).not.toMatch(/gHQplz3|GezxCRG/);
        }
      }),
      { numRuns: 300 },
    );
  });
});
