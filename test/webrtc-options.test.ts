import { describe, expect, it } from "vitest";
import { RTCPeerConnection } from "werift";
import { InvalidInputError, Keypair, Router, SidewireError } from "../src/index.js";
import { accept, connect } from "../src/webrtc/index.js";
import { parseConnectOptions } from "../src/webrtc/options.js";

const router = new Router(Keypair.generate(), {
  getTime: Date.now,
  brokers: { IPv4: { "127.0.0.1": { port: 1 } } },
});
const somebody = Keypair.generate().publicKeyHex;

/** What a caller without types may pass. */
const anything = (value: unknown): never => value as never;

/** The code and path of an error. */
const errorOf = (error: unknown): unknown => {
  if (error instanceof InvalidInputError) return [error.code, error.path];
  return error instanceof SidewireError ? [error.code] : error;
};

describe("the options of connect", () => {
  const wrong: readonly (readonly [options: object, path: string])[] = [
    [{ iceServers: "stun:stun.example.org" }, "iceServers"],
    [{ iceServers: [{}] }, "iceServers[0].urls"],
    [{ iceServers: [{ urls: "stun.example.org" }] }, "iceServers[0].urls[0]"],
    [{ iceServers: [{ urls: ["stun:a.example", "https://b.example"] }] }, "iceServers[0].urls[1]"],
    [{ iceServers: [{ urls: "turn:a.example", username: 1 }] }, "iceServers[0].username"],
    [{ iceTransportPolicy: "none" }, "iceTransportPolicy"],
    [{ RTCPeerConnection: {} }, "RTCPeerConnection"],
    [{ RTCPeerConnection: class {} }, "RTCPeerConnection"],
    [{ timeoutMs: 0 }, "timeoutMs"],
    [{ timeoutMs: Number.NaN }, "timeoutMs"],
    [{ onPeer: true }, "onPeer"],
    [{ signal: {} }, "signal"],
    [{ iceservers: [] }, "iceservers"],
  ];
  it.each(wrong)("are refused as they are in %j", async (options, path) => {
    const error = await connect(router, somebody, anything({ RTCPeerConnection, ...options })).catch(errorOf);
    expect(error).toEqual(["INVALID_OPTION", path]);
  });

  it("give each URL a server of its own, with the login", () => {
    const made: unknown[] = [];
    class Made extends RTCPeerConnection {
      constructor(configuration: object) {
        super();
        made.push(configuration);
      }
    }
    const iceServers = [{ urls: ["turn:a.example", "turns:b.example:443"], username: "u", credential: "c" }];
    parseConnectOptions({ iceServers, RTCPeerConnection: Made }).make().close();
    expect(made).toEqual([
      {
        iceServers: [
          { urls: "turn:a.example", username: "u", credential: "c" },
          { urls: "turns:b.example:443", username: "u", credential: "c" },
        ],
        iceTransportPolicy: "all",
        bundlePolicy: "max-bundle",
      },
    ]);
  });

  it("need a class where the platform has none", async () => {
    expect(await connect(router, somebody).catch(errorOf)).toEqual(["UNSUPPORTED"]);
  });
});

describe("what connect is called with", () => {
  it.each([undefined, null, {}, "router"])("is no router: %j", async (value) => {
    const error = await connect(anything(value), somebody, { RTCPeerConnection }).catch(errorOf);
    expect(error).toEqual(["INVALID_OPTION", "router"]);
  });

  it.each([undefined, "", "02", `02${"f".repeat(64)}`, router.address])(
    "is no other's address: %j",
    async (value) => {
      const error = await connect(router, anything(value), { RTCPeerConnection }).catch(errorOf);
      expect(error).toEqual(["INVALID_ADDRESS", "address"]);
    },
  );
});

describe("what accept is called with", () => {
  const caught = (run: () => unknown): unknown => {
    try {
      return run();
    } catch (error) {
      return errorOf(error);
    }
  };

  it.each([
    [{}, "from"],
    [{ from: "everybody" }, "from"],
    [{ from: (): boolean => true, maxPeers: 0 }, "maxPeers"],
    [{ from: (): boolean => true, form: true }, "form"],
  ] as const)("is refused with %j", (options, path) => {
    const error = caught(() => accept(router, () => {}, anything({ RTCPeerConnection, ...options })));
    expect(error).toEqual(["INVALID_OPTION", path]);
  });

  it("needs a handler, and does nothing by a signal that has fired", () => {
    const options = { from: (): boolean => true, RTCPeerConnection };
    expect(caught(() => accept(router, anything(undefined), options))).toEqual(["INVALID_OPTION", "handler"]);
    accept(router, () => {}, { ...options, signal: AbortSignal.abort() })();
  });
});
