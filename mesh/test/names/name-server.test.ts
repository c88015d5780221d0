import { createSocket } from "node:dgram";
import { Resolver } from "node:dns/promises";
import { once } from "node:events";
import { decode, encode, type Packet, type RecordType } from "dns-packet";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { answerQuery } from "../../src/names/dns-answer.js";
import type { NamedNetwork } from "../../src/names/host-names.js";
import { NameServer } from "../../src/names/name-server.js";
import { Zone } from "../../src/names/zone.js";

const OFFICE: NamedNetwork = {
  network: "office",
  members: [
    { name: "web", addresses: ["10.9.0.2", "fd5c::2"] },
    { name: "db", addresses: ["10.9.0.3"] },
    // Who comes first keeps the name, and the address.
    { name: "web", addresses: ["10.9.0.66"] },
    { name: "thief", addresses: ["10.9.0.3"] },
    { name: "Not A Label", addresses: ["10.9.0.67"] },
  ],
};
const ZONE = new Zone(OFFICE);

const query = (name: string, type: string, more: Partial<Packet> = {}): Buffer =>
  encode({ type: "query", id: 7, flags: 0x100, questions: [{ name, type: type as RecordType }], ...more });

interface Said {
  readonly rcode: string;
  readonly answers: readonly string[];
  readonly authorities: readonly string[];
}

function ask(name: string, type: string, zone: Zone | undefined = ZONE): Said {
  const bytes = Buffer.from(answerQuery(query(name, type), zone) ?? []);
  const { id, flag_aa, flag_rd, flag_ra, questions, answers, authorities, ...rest } = decode(bytes);
  expect({ id, flag_aa, flag_rd, flag_ra }).toEqual({ id: 7, flag_aa: true, flag_rd: true, flag_ra: false });
  expect(questions).toMatchObject([{ name, type }]);
  // The package's types leave it out.
  const { rcode } = rest as unknown as { rcode: string };
  return {
    rcode,
    answers: (answers ?? []).map((one) => `${one.name} ${one.type} ${"data" in one ? String(one.data) : ""}`),
    authorities: (authorities ?? []).map(({ name: apex, type: kind }) => `${apex} ${kind}`),
  };
}

const SOA = ["office.internal SOA"];

describe("an answer of DNS", () => {
  it("is a member's addresses of the kind that is asked for", () => {
    expect(ask("web.office.internal", "A").answers).toEqual(["web.office.internal A 10.9.0.2"]);
    expect(ask("web.office.internal", "AAAA").answers).toEqual(["web.office.internal AAAA fd5c::2"]);
    expect(ask("web.office.internal", "ANY").answers).toEqual(["web.office.internal A 10.9.0.2"]);
    // As it was spelt: resolvers look whether it is the same.
    expect(ask("wEb.Office.INTERNAL", "A").answers).toEqual(["wEb.Office.INTERNAL A 10.9.0.2"]);
  });

  it("is a member's name for its address", () => {
    expect(ask("2.0.9.10.in-addr.arpa", "PTR").answers).toEqual([
      "2.0.9.10.in-addr.arpa PTR web.office.internal",
    ]);
    expect(ask("3.0.9.10.in-addr.arpa", "PTR").answers).toEqual([
      "3.0.9.10.in-addr.arpa PTR db.office.internal",
    ]);
    const nibbles = `2.${"0.".repeat(27)}c.5.d.f.ip6.arpa`;
    expect(ask(nibbles, "PTR").answers).toEqual([`${nibbles} PTR web.office.internal`]);
  });

  it("says what is not there, and for how long that is known", () => {
    expect(ask("db.office.internal", "AAAA")).toEqual({ rcode: "NOERROR", answers: [], authorities: SOA });
    expect(ask("db.office.internal", "MX")).toEqual({ rcode: "NOERROR", answers: [], authorities: SOA });
    expect(ask("office.internal", "A")).toEqual({ rcode: "NOERROR", answers: [], authorities: SOA });
    expect(ask("nobody.office.internal", "A")).toEqual({ rcode: "NXDOMAIN", answers: [], authorities: SOA });
    expect(ask("x.web.office.internal", "A")).toEqual({ rcode: "NXDOMAIN", answers: [], authorities: SOA });
    expect(ask("office.internal", "SOA").answers).toEqual(["office.internal SOA [object Object]"]);
  });

  it("is a refusal for what belongs to others, and while there are no names", () => {
    const refused = { rcode: "REFUSED", answers: [], authorities: [] };
    for (const name of ["example.org", "xoffice.internal", "internal", ".", "9.9.9.9.in-addr.arpa"])
      expect(ask(name, "A")).toEqual(refused);
    expect(ask("web.office.internal", "A", undefined)).toEqual(ask("web.office.internal", "A"));
    expect(
      decode(Buffer.from(answerQuery(query("web.office.internal", "A"), undefined) ?? [])),
    ).toMatchObject({
      rcode: "REFUSED",
    });
  });

  it("is none for an answer, which may be our own, and an error for what is no such query", () => {
    const { length } = query("web.office.internal", "A");
    expect(answerQuery(query("web.office.internal", "A", { type: "response" }), ZONE)).toBeUndefined();
    expect(answerQuery(query("web.office.internal", "A").subarray(0, 11), ZONE)).toBeUndefined();
    expect(answerQuery(Buffer.alloc(1233), ZONE)).toBeUndefined();
    const rcodeOf = (bytes: Uint8Array): unknown => decode(Buffer.from(answerQuery(bytes, ZONE) ?? []));
    expect(rcodeOf(query("web.office.internal", "A").subarray(0, length - 1))).toMatchObject({
      rcode: "FORMERR",
    });
    expect(rcodeOf(query("wäb.office.internal", "A"))).toMatchObject({ rcode: "FORMERR" });
    expect(rcodeOf(query("a", "A", { questions: [] }))).toMatchObject({ rcode: "FORMERR" });
    expect(rcodeOf(query("a", "A", { flags: 4 << 11 }))).toMatchObject({ rcode: "NOTIMP" });
    const counts = query("web.office.internal", "A");
    counts.fill(0xff, 4, 12);
    expect(rcodeOf(counts)).toMatchObject({ rcode: "FORMERR" });
  });

  it("fits into 512 bytes, whatever is asked", () => {
    const long = "a".repeat(63);
    const addresses = ["10.9.0.2", "10.9.0.3", "10.9.0.4", "10.9.0.5"];
    const zone = new Zone({ network: long, members: [{ name: long, addresses }] });
    const names = [
      `${long}.${long}.internal`,
      `${long}.${long}.internal`,
      `${"b".repeat(52)}.${long}.${long}.${long}.internal`,
    ];
    const edns = { type: "OPT", name: ".", udpPayloadSize: 1232, flags: 0, options: [] } as never;
    for (const name of names) {
      for (const type of ["A", "AAAA", "ANY", "TXT"]) {
        const answer = answerQuery(query(name, type, { additionals: [edns] }), zone) ?? [];
        expect(answer.length).toBeLessThanOrEqual(512);
        expect(decode(Buffer.from(answer as Uint8Array)).additionals).toMatchObject([{ type: "OPT" }]);
      }
    }
  });

  it("is one or none, whatever the bytes are", () => {
    const seed = query("web.office.internal", "A", {
      additionals: [{ type: "OPT", name: ".", udpPayloadSize: 1232, flags: 0, options: [] } as never],
    });
    const damaged = fc
      .array(fc.tuple(fc.nat(seed.length - 1), fc.nat(255)), { maxLength: 8 })
      .map((changes) => {
        const bytes = Buffer.from(seed);
        for (const [at, value] of changes) bytes[at] = value;
        return bytes;
      });
    fc.assert(
      fc.property(fc.oneof(damaged, fc.uint8Array({ maxLength: 1300 })), (bytes) => {
        const answer = answerQuery(bytes, ZONE);
        if (answer === undefined) return;
        expect(answer.length).toBeLessThanOrEqual(600);
        expect(decode(Buffer.from(answer))).toMatchObject({
          type: "response",
          id: Buffer.from(bytes).readUInt16BE(0),
        });
      }),
      { numRuns: 3000 },
    );
  });
});

describe("the name server", () => {
  const servers: NameServer[] = [];
  afterEach(async () => {
    await Promise.all(servers.splice(0).map((server) => server.close()));
  });
  const start = async (port = 0): Promise<NameServer> => {
    const server = new NameServer({ port });
    servers.push(server);
    await server.listen(["127.0.0.1"]);
    return server;
  };
  const portOf = (server: NameServer): number => server.ports.get("127.0.0.1") ?? expect.fail();

  it("is one that the resolvers of programs can ask", async () => {
    const server = await start();
    server.set(OFFICE);
    const resolver = new Resolver({ timeout: 2000, tries: 2 });
    resolver.setServers([`127.0.0.1:${portOf(server)}`]);
    expect(await resolver.resolve4("web.office.internal")).toEqual(["10.9.0.2"]);
    expect(await resolver.resolve6("web.office.internal")).toEqual(["fd5c::2"]);
    expect(await resolver.reverse("10.9.0.3")).toEqual(["db.office.internal"]);
    await expect(resolver.resolve4("nobody.office.internal")).rejects.toMatchObject({ code: "ENOTFOUND" });
    await expect(resolver.resolve4("example.org")).rejects.toMatchObject({ code: "EREFUSED" });
    server.set({ ...OFFICE, members: [] });
    await expect(resolver.resolve4("web.office.internal")).rejects.toMatchObject({ code: "ENOTFOUND" });
  });

  it("says where another program has the port, and takes it when that is gone", async () => {
    const other = createSocket("udp4").bind(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address();
    const server = await start(port);
    expect(server.troubles).toEqual([
      `no names are answered at 127.0.0.1: another program has port ${port} there (EADDRINUSE)`,
    ]);
    await new Promise<void>((done) => other.close(() => done()));
    await server.listen(["127.0.0.1"]);
    expect([server.troubles, [...server.ports.keys()]]).toEqual([[], ["127.0.0.1"]]);
    await server.listen([]);
    expect([...server.ports.keys()]).toEqual([]);
  });

  it("answers nobody but this host at the address itself", async () => {
    const server = await start();
    server.set(OFFICE);
    const heard: string[] = [];
    const open = async (address: string): Promise<ReturnType<typeof createSocket>> => {
      const socket = createSocket("udp4").bind(0, address);
      socket.on("message", () => heard.push(address));
      await once(socket, "listening");
      return socket;
    };
    const [stranger, own] = [await open("127.0.0.2"), await open("127.0.0.1")];
    stranger.send(query("web.office.internal", "A"), portOf(server), "127.0.0.1");
    // Comes later, by the same way: when it is answered, the other one was looked at.
    own.send(query("web.office.internal", "A"), portOf(server), "127.0.0.1");
    await expect.poll(() => heard).toEqual(["127.0.0.1"]);
    for (const socket of [stranger, own]) socket.close();
  });
});
