import { existsSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { atOurPace } from "../../../test/support/pace.js";
import { type Host, type Lab, type LongRunning, makeKeys } from "../../lab/index.js";
import { withLab } from "../support/needs.js";
import { PingStream } from "../support/ping-stream.js";

const BIN = join(import.meta.dirname, "../../bin/sidewire-mesh.js");
const START = join(import.meta.dirname, "../../examples/dstack/start.sh");
const NODE = join(import.meta.dirname, "../support/dstack-node.mjs");
const GATEWAY = join(import.meta.dirname, "../support/tcp-gateway.mjs");
const LIST_SERVER = join(import.meta.dirname, "../support/list-server.mjs");

/** How long two hosts may take to meet, in ms. */
const MEET_MS = 20_000;

const SLOW_MS = 240_000;

/** What a node says when it is asked by way of the tunnel. */
const TEST = /^\{"wg_ip":"(10\.88\.0\.\d+)\/32","time":"\d{4}-\d\d-\d\dT[\d:.]+\+00:00"\}\n$/;

withLab("the list of peers of the dstack demo", (startLab) => {
  it("ends with a ping between two NATs that let in what the demo's NATs would not", {
    timeout: SLOW_MS,
  }, async () => {
    await using lab = await startLab({
      nats: { na: { kind: "port-restricted" }, nb: { kind: "port-restricted" } },
      hosts: { ha: { behind: "na" }, hb: { behind: "nb" }, hw: {} },
      brokers: 1,
      stun: true,
      overlay: ["10.88.0.0/24"],
    });
    const [a, b, web] = [lab.host("ha"), lab.host("hb"), lab.host("hw")];
    const list = await List.serve(lab, web);
    // As the gateway of dstack, something leads HTTP to the nodes, and nothing else.
    const urls = await Promise.all([gateway(lab, web, 8101, "na", a), gateway(lab, web, 8102, "nb", b)]);
    list.write(urls);
    const daemons = [start(lab, a, list.url), start(lab, b, list.url)] as const;
    await daemons[0].wrote(/this host is 10\.88\.0\.10/);
    await daemons[1].wrote(/this host is 10\.88\.0\.11/);
    await reaches(a, "10.88.0.11");
    expect(await get(a, "http://10.88.0.11:8080/test")).toMatch(TEST);
    const [outside = ""] = lab.nat("nb").outside;
    expect(JSON.parse(await get(web, urls[1]))).toMatchObject({ stun_ip: outside, stun_port: 51_820 });
  });

  it("meets a node that follows the demo's contract alone, also after a change of the list", {
    timeout: SLOW_MS,
  }, async () => {
    await using lab = await startLab({
      hosts: { ha: {}, hb: {}, hw: {} },
      brokers: 1,
      stun: true,
      overlay: ["10.88.0.0/24"],
    });
    const [a, b, web] = [lab.host("ha"), lab.host("hb"), lab.host("hw")];
    const list = await List.serve(lab, web);
    // What goes wrong with the list of one node is nothing that the other one sees.
    const theirs = await List.serve(lab, web, 8082);
    const write = (urls: readonly string[]): void => {
      for (const one of [list, theirs]) one.write(urls);
    };
    const urls = { a: nodeUrl(a), b: nodeUrl(b) };
    write([urls.a, urls.b]);

    const [keysB, [stunHost = "", stunPort = ""]] = [
      await makeKeys(b.namespace),
      lab.stun[0]?.split(":") ?? [],
    ];
    const node = b.node(NODE, [b.interface, keysB.publicKey, theirs.url, stunHost, stunPort]);
    await node.wrote(/seen at /);
    await b.wireguard({ privateKey: keysB.privateKey });
    node.write("go\n");

    const daemon = start(lab, a, list.url);
    await daemon.wrote(/this host is 10\.88\.0\.10/);
    await reaches(a, "10.88.0.11");
    await reaches(b, "10.88.0.10");
    await node.wrote(/connected to 10\.88\.0\.10: \{"wg_ip":"10\.88\.0\.10\/32","time":/);
    expect(await get(b, "http://10.88.0.10:8080/test")).toMatch(TEST);
    expect(await get(a, "http://10.88.0.11:8080/test")).toContain('"wg_ip":"10.88.0.11/32"');
    // Only the tunnel leads to it.
    expect(await get(b, `http://${a.address()}:8080/test`)).toBe('{"error":"not found"}\n');
    daemon.signal("SIGHUP");
    await list.wrote(/answered 304/);

    // Another order means other addresses, and whoever renumbers says so.
    write([urls.b, urls.a]);
    daemon.signal("SIGHUP");
    await daemon.wrote(
      /1 peer; this host is 10\.88\.0\.11 now, and was 10\.88\.0\.10; 1 peer got another address/,
    );
    await reaches(a, "10.88.0.10");
    expect(await a.run(["ip", "-o", "addr", "show", "dev", a.interface])).not.toContain("10.88.0.10/");

    // What goes wrong with the list harms no tunnel.
    const stream = PingStream.start(a, "10.88.0.10");
    await stream.answerAfter(0);
    for (const [text, why] of [
      ["[]", /the list is empty\. The last list stays/],
      ["[", /it is not JSON\. The last list stays/],
      ['{"a": 1}', /a JSON array of URLs is expected.* The last list stays/],
    ] as const) {
      list.writeText(text);
      daemon.signal("SIGHUP");
      await daemon.wrote(why);
    }
    await list.kill();
    daemon.signal("SIGHUP");
    await daemon.wrote(/ECONNREFUSED.*\. The last list stays/);
    await stream.answerAfter(Date.now() + 300);
    expect(stream.lost()).toEqual([]);

    await list.start();
    list.write([urls.a]);
    daemon.signal("SIGHUP");
    await daemon.wrote(/the list has 0 peers; this host is 10\.88\.0\.10 now/);
    // While the address changed, no ping has left in plaintext: the lab looks for that.
    await stream.stop();
    expect(await a.run(["wg", "show", a.interface, "peers"])).toBe("");
    expect(daemon.log).not.toContain("secret");
  });
});

/** The URL of a node in the list. */
function nodeUrl(host: Host): string {
  return `http://${host.address()}:8080/node.json`;
}

/** Leads HTTP to a host behind a NAT, by way of a host outside. @returns the URL of the node */
async function gateway(lab: Lab, web: Host, port: number, name: string, host: Host): Promise<string> {
  const { namespace, outside } = lab.nat(name);
  await namespace.set({
    nft: `table ip gateway {
      chain inwards {
        type nat hook prerouting priority dstnat - 1;
        iifname wan tcp dport 8080 dnat to ${host.address()}:8080
      }
    }`,
  });
  await web.node(GATEWAY, [`${port}`, `${outside[0]}:8080`]).wrote(/serving/);
  return `http://${web.address()}:${port}/node.json`;
}

/** Starts a node as its container does, with a key of its own. */
function start(lab: Lab, host: Host, list: string): LongRunning {
  const programs = join(lab.folder, "programs");
  if (!existsSync(programs)) {
    mkdirSync(programs);
    symlinkSync(BIN, join(programs, "sidewire-mesh"));
  }
  const options = [
    "--brokers",
    lab.brokersFile,
    "--stun",
    lab.stun.join(","),
    "--no-hosts",
    "--no-port-mapping",
  ];
  return host.spawn([START, ...options], {
    ...process.env,
    PATH: `${programs}:${process.env.PATH}`,
    INTERFACE: host.interface,
    PEERS_URL: list.replace("://", "://user:secret@"),
    RUNTIME_DIRECTORY: join(lab.folder, `run-${host.name}`),
    STATE: join(lab.folder, `state-${host.name}`),
  });
}

async function reaches(from: Host, address: string): Promise<void> {
  await expect.poll(() => from.canPing(address), { timeout: atOurPace(MEET_MS) }).toBe(true);
}

async function get(from: Host, url: string): Promise<string> {
  const script = "fetch(process.argv[1]).then((r) => r.text()).then((t) => process.stdout.write(t))";
  return await from.run([process.execPath, "-e", script, url]);
}

/** The list of nodes, on a web server of its own. */
class List {
  readonly #host: Host;
  readonly #file: string;
  readonly #port: number;
  #server: LongRunning | undefined;

  private constructor(host: Host, file: string, port: number) {
    this.#host = host;
    this.#file = file;
    this.#port = port;
  }

  static async serve(lab: Lab, host: Host, port = 8081): Promise<List> {
    const list = new List(host, join(lab.folder, `peers-${port}.json`), port);
    list.writeText("[]");
    await list.start();
    return list;
  }

  get url(): string {
    return `http://${this.#host.address()}:${this.#port}/peers.json`;
  }

  async start(): Promise<void> {
    this.#server = this.#host.node(LIST_SERVER, [`${this.#port}`, this.#file]);
    await this.#server.wrote(/serving/);
  }

  async kill(): Promise<void> {
    await this.#server?.kill();
  }

  async wrote(pattern: RegExp): Promise<void> {
    await this.#server?.wrote(pattern, 60_000);
  }

  write(urls: readonly string[]): void {
    this.writeText(JSON.stringify(urls));
  }

  writeText(text: string): void {
    writeFileSync(this.#file, text);
  }
}
