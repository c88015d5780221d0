import { describe, expect, it } from "vitest";
import { parseAddress } from "../../src/ip/address.js";
import { decodeNews } from "../../src/port-mapping/gateway-news.js";
import { MAPPING_SERVICES } from "../../src/port-mapping/igd-mapper.js";
import { decodeAnswer, encodeAction, servicesOf } from "../../src/port-mapping/igd-messages.js";
import { decodeNatPmp, encodeNatPmpMap } from "../../src/port-mapping/nat-pmp.js";
import { decodePcp, encodePcpMap } from "../../src/port-mapping/pcp.js";
import { decodeSearchAnswer } from "../../src/port-mapping/ssdp.js";
import { parseXml } from "../../src/port-mapping/xml.js";
import { description } from "../support/fake-gateway.js";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text.replaceAll(" ", ""), "hex"));

/** Random numbers that are the same in each run. */
function* random(seed: number): Generator<number, never> {
  for (let state = seed; ; ) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    yield state / 2 ** 32;
  }
}

describe("PCP", () => {
  it("writes a MAP request as RFC 6887 has it", () => {
    const client = parseAddress("192.168.1.2") ?? new Uint8Array();
    const nonce = bytes("01 02 03 04 05 06 07 08 09 0a 0b 0c");
    const wish = { client, nonce, lifetimeS: 7200, internalPort: 51_820, externalPort: 40_000 };
    expect(hex(encodePcpMap(wish))).toBe(
      [
        ...["02010000", "00001c20", "00000000000000000000ffffc0a80102"],
        ...["0102030405060708090a0b0c", "11000000", "ca6c9c40", "00000000000000000000ffff00000000"],
      ].join(""),
    );
  });

  it("reads what miniupnpd answered to that", () => {
    const answer = bytes(
      "02810000 00001c20 00000fa2 000000000000000000000000 070707070707070707070707 11000000 ca6c9c40 00000000000000000000ffff0b16210a",
    );
    expect(decodePcp(answer)).toMatchObject({ is: "map", result: 0, lifetimeS: 7200, externalPort: 40_000 });
    for (let length = 0; length < answer.length; length++)
      expect(decodePcp(answer.subarray(0, length))).toBeUndefined();
  });
});

describe("NAT-PMP", () => {
  it("writes and reads mappings as RFC 6886 has them", () => {
    expect(hex(encodeNatPmpMap(51_820, 40_000, 7200))).toBe("00010000ca6c9c4000001c20");
    const answer = bytes("00810000 00000fa2 ca6c9c40 00001c20");
    expect(decodeNatPmp(answer)).toEqual({
      ...{ is: "map", result: 0, epochS: 4002, internalPort: 51_820, externalPort: 40_000, lifetimeS: 7200 },
    });
  });

  it("takes an answer of another length for none, and a refusal without an address for one", () => {
    expect(decodeNatPmp(bytes("00800003 00000000"))).toMatchObject({ is: "address", result: 3 });
    expect(decodeNatPmp(bytes("00800000 00000000"))).toBeUndefined();
    expect(decodeNatPmp(bytes("00810000 00000fa2 ca6c9c40 00001c20 00"))).toBeUndefined();
  });
});

describe("what a gateway says to all", () => {
  it("is a PCP announce or an address of NAT-PMP", () => {
    const announce = bytes("02800000 00000000 00000fa2 000000000000000000000000");
    expect(decodeNews(announce)).toEqual({ epochS: 4002, address: undefined });
    const address = bytes("00800000 00000fa2 0b16210a");
    expect(decodeNews(address)).toEqual({ epochS: 4002, address: bytes("0b16210a") });
    for (const news of [announce, address])
      for (let length = 0; length < news.length; length++)
        expect(decodeNews(news.subarray(0, length))).toBeUndefined();
  });

  it("is nothing else", () => {
    const no = ["02800001 00000000 00000fa2 000000000000000000000000", "00800003 00000fa2 00000000"];
    for (const text of no) expect(decodeNews(bytes(text))).toBeUndefined();
    const next = random(7);
    for (let i = 0; i < 20_000; i++) {
      const noise = Uint8Array.from(
        { length: Math.floor(next.next().value * 64) },
        () => next.next().value * 256,
      );
      const news = decodeNews(noise);
      if (news !== undefined) expect(news.epochS).toBeGreaterThanOrEqual(0);
    }
  });
});

describe("UPnP", () => {
  const location = (text: string): Uint8Array =>
    Buffer.from(
      `HTTP/1.1 200 OK\r\nST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\nLocation: ${text}\r\n\r\n`,
    );

  it("takes plain HTTP alone", () => {
    expect(decodeSearchAnswer(location("http://192.168.1.1:5000/root.xml"))?.port).toBe("5000");
    for (const zone of ["", "%eth0", "%25br-lan"])
      expect(decodeSearchAnswer(location(`http://[fe80::1${zone}]:5000/a%20b`))?.href).toBe(
        "http://[fe80::1]:5000/a%20b",
      );
    for (const bad of ["https://192.168.1.1/", "file:///etc/passwd", "http://u:p@192.168.1.1/", "x", ""])
      expect(decodeSearchAnswer(location(bad))).toBeUndefined();
    expect(decodeSearchAnswer(location(`http://192.168.1.1/${"a".repeat(600)}`))).toBeUndefined();
    expect(decodeSearchAnswer(Buffer.from("HTTP/1.1 404 Not\r\n\r\n"))).toBeUndefined();
  });

  it.each([
    ["urn:schemas-upnp-org:service:WANIPConnection:2", 1],
    ["urn:schemas-upnp-org:service:WANIPConnection:1", 1],
    ["urn:schemas-upnp-org:service:WANPPPConnection:1", 1],
    ["urn:schemas-upnp-org:service:Layer3Forwarding:1", 0],
  ])("finds %s in a description", (type, count) => {
    const services = servicesOf(
      description(type),
      new URL("http://192.168.1.1:5000/root.xml"),
      MAPPING_SERVICES,
    );
    expect(services).toHaveLength(count);
    for (const { control } of services) expect(control.href).toBe("http://192.168.1.1:5000/ctl");
  });

  it("reads answers and errors, and nothing else", () => {
    const body = (inner: string): string => `<s:Envelope xmlns:s="x"><s:Body>${inner}</s:Body></s:Envelope>`;
    const fault = body(
      "<s:Fault><detail><UPnPError><errorCode>718</errorCode></UPnPError></detail></s:Fault>",
    );
    expect(decodeAnswer(fault, "AddPortMapping")).toEqual({ is: "error", code: 718 });
    const values = body("<u:GetXResponse><A>1</A><B>a &amp; b</B></u:GetXResponse>");
    expect(decodeAnswer(values, "GetX")).toEqual({
      ...{ is: "done", values: new Map([...[["A", "1"] as const], ["B", "a & b"] as const]) },
    });
    expect(decodeAnswer(values, "GetY")).toBeUndefined();
    expect(decodeAnswer(body(""), "GetX")).toBeUndefined();
    expect(encodeAction("t", "A", [["N", "<&>"]])).toContain("<N>&lt;&amp;&gt;</N>");
  });
});

describe("XML", () => {
  it.each([
    ["<a/>", true],
    ['<?xml version="1.0"?><!-- x --><a b="c">x<b/>y</a>\n', true],
    ["<p:a>x</p:a>", true],
    ["<a></b>", false],
    ["<a>", false],
    ["</a>", false],
    ["<a/><b/>", false],
    ["x<a/>", false],
    ["<!DOCTYPE a><a/>", false],
    ["<a><![CDATA[x]]></a>", false],
    ["<a>&b;</a>", false],
    ["<a>& b</a>", false],
    ["<a>&#65;</a>", false],
    ["", false],
    [`${"<a>".repeat(33)}${"</a>".repeat(33)}`, false],
    [`<r>${"<a/>".repeat(5000)}</r>`, false],
  ])("%.20s: %s", (text, isOne) => {
    expect(parseXml(text) !== undefined).toBe(isOne);
  });

  it.each(["<", "<a ", "<!--", "<a>&", "<a b=' ", "&amp;"])("of 64 kB of %s is read in no time", (part) => {
    const text = part.repeat(Math.floor(65_536 / part.length));
    const before = performance.now();
    for (let i = 0; i < 10; i++) expect(parseXml(text)).toBeUndefined();
    expect((performance.now() - before) / 10).toBeLessThan(50);
  });
});

it("no reader throws, whatever the bytes are", () => {
  const samples = [
    Buffer.from(description()),
    Buffer.from("HTTP/1.1 200 OK\r\nST: x:InternetGatewayDevice:1\r\nLOCATION: http://192.168.1.1/\r\n\r\n"),
    encodeNatPmpMap(1, 2, 3),
    Buffer.alloc(60, 2),
  ];
  const next = random(1);
  for (let i = 0; i < 4000; i++) {
    const sample = new Uint8Array(samples[i % samples.length] ?? []);
    for (let n = 0; n < 1 + (i % 7); n++)
      sample[Math.floor(next.next().value * sample.length)] = Math.floor(next.next().value * 256);
    const cut = sample.subarray(0, Math.floor(next.next().value * (sample.length + 1)));
    for (const one of [sample, cut]) {
      decodePcp(one);
      decodeNatPmp(one);
      decodeSearchAnswer(one);
      const text = Buffer.from(one).toString("utf8");
      parseXml(text);
      servicesOf(text, new URL("http://192.168.1.1/"), MAPPING_SERVICES);
      decodeAnswer(text, "AddPortMapping");
    }
  }
});
