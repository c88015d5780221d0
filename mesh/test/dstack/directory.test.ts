import { describe, expect, it, onTestFinished } from "vitest";
import { Directory, type DirectoryMeans, type Listed } from "../../src/dstack/directory.js";
import { nodeFile } from "../../src/dstack/node-file.js";
import { formatEndpoint, parseEndpoint } from "../../src/ip/endpoint.js";
import { formatPrefix, parsePrefix } from "../../src/ip/prefix.js";
import { formatKey } from "../../src/wireguard-key.js";
import { KEY_A, KEY_B, OWN_KEY } from "../support/fake-mesh.js";

const [OWN, A, B] = ["own", "a", "b"].map((name) => `https://${name}.example/node.json`) as [
  string,
  string,
  string,
];

const node = (key: string, place = "198.51.100.7:51820"): string =>
  JSON.stringify(nodeFile(key, parseEndpoint(place)));

/** A web that is what a test says, and a directory of it. */
class World {
  readonly pages = new Map<string, string | Error>([
    [OWN, node(OWN_KEY)],
    [A, node(KEY_A)],
    [B, node(KEY_B, "198.51.100.8:51820")],
  ]);
  list: string | Error = JSON.stringify([OWN, A, B]);
  listed: Listed | undefined;
  applied = 0;
  error: Error | undefined;
  readonly troubles: string[] = [];
  readonly #directory: Directory;

  constructor(more: Partial<DirectoryMeans> = {}) {
    this.#directory = new Directory({
      source: "/list.json",
      overlay: parsePrefix("10.88.0.0/24"),
      publicKey: () => OWN_KEY,
      onChanged: async (listed) => {
        if (this.error !== undefined) throw this.error;
        this.listed = listed;
        this.applied++;
      },
      onTrouble: (message) => this.troubles.push(message),
      readFile: async () => {
        if (this.list instanceof Error) throw this.list;
        return this.list;
      },
      fetch: async ({ href }) => {
        const page = this.pages.get(href) ?? new Error(`${href}: the server says 404`);
        if (page instanceof Error) throw page;
        return { text: page, tag: undefined };
      },
      pollMs: 1,
      ...more,
    });
    onTestFinished(() => this.#directory.close());
    this.#directory.start();
  }

  shown(): string[] {
    const { peers = [], own } = this.listed ?? {};
    return [
      own?.address ?? "no address",
      ...peers.map(
        ({ publicKey, allowedIps, endpoint }) =>
          `${formatKey(publicKey).slice(0, 4)} ${allowedIps.map(formatPrefix).join()} ${endpoint && formatEndpoint(endpoint)}`,
      ),
    ];
  }

  async until(expected: readonly string[]): Promise<void> {
    await expect.poll(() => this.shown(), { interval: 2 }).toEqual(expected);
  }

  async said(pattern: RegExp): Promise<void> {
    await expect.poll(() => this.troubles.join("\n"), { interval: 2 }).toMatch(pattern);
  }
}

const ALL = [
  "10.88.0.10",
  `${KEY_A.slice(0, 4)} 10.88.0.11/32 198.51.100.7:51820`,
  `${KEY_B.slice(0, 4)} 10.88.0.12/32 198.51.100.8:51820`,
];

describe("a list of nodes", () => {
  it("gives peers, and addresses by the place in the list", async () => {
    const world = new World();
    await world.until(ALL);
    const { applied } = world;
    world.list = JSON.stringify([B, OWN]);
    await world.until(["10.88.0.11", `${KEY_B.slice(0, 4)} 10.88.0.10/32 198.51.100.8:51820`]);
    expect(world.applied).toBeGreaterThan(applied);
    expect(world.troubles).toEqual([]);
  });

  it.each([
    ["[]", /the list is empty\. The last list stays/],
    ["", /it is not JSON\. The last list stays/],
    ['["ftp://x"]', /number 0 of the list.*\. The last list stays/],
    [new Error("ENOENT"), /ENOENT\. The last list stays/],
  ])("stays as it was when it is %j", async (list, why) => {
    const world = new World();
    await world.until(ALL);
    const { applied } = world;
    world.list = list;
    await world.said(why);
    expect([world.shown(), world.applied]).toEqual([ALL, applied]);
    // The same problem is told once.
    expect(world.troubles).toHaveLength(1);
    world.list = JSON.stringify([OWN]);
    await world.until(["10.88.0.10"]);
  });

  it("keeps what a node has said while the node says nothing, or nonsense", async () => {
    const world = new World();
    await world.until(ALL);
    world.pages.set(A, new Error("https://a.example/node.json: ECONNREFUSED"));
    world.pages.set(B, '{"wg_public_key": "nonsense"}');
    await world.said(/^https:\/\/a\.example\/node\.json: ECONNREFUSED$/m);
    await world.said(/^https:\/\/b\.example\/node\.json: it has no WireGuard key in it$/m);
    expect(world.shown()).toEqual(ALL);
    world.pages.set(A, node(KEY_A, "198.51.100.9:1"));
    await world.until([ALL[0] ?? "", `${KEY_A.slice(0, 4)} 10.88.0.11/32 198.51.100.9:1`, ALL[2] ?? ""]);
  });

  it("leaves room for a node that was never reached", async () => {
    const world = new World();
    world.pages.delete(A);
    await world.until([ALL[0] ?? "", ALL[2] ?? ""]);
  });

  it("takes the first of two nodes with the same key, also with the own one", async () => {
    const world = new World();
    world.pages.set(B, node(KEY_A, "198.51.100.66:1"));
    await world.until(ALL.slice(0, 2));
    await world.said(/^https:\/\/b\.example\/node\.json: it has the key of another node/m);
    world.pages.set(B, node(OWN_KEY, "198.51.100.66:1"));
    await expect.poll(() => world.troubles.length, { interval: 2 }).toBeGreaterThan(0);
    expect(world.shown()).toEqual(ALL.slice(0, 2));
  });

  it("gives no address to a host that is not in it, and says so", async () => {
    const world = new World();
    world.list = JSON.stringify([A]);
    await world.said(/this host has no address in 10\.88\.0\.0\/24 yet: no URL of the list leads from here/);
    await world.until(["no address", `${KEY_A.slice(0, 4)} 10.88.0.10/32 198.51.100.7:51820`]);
  });

  it("names no place in the overlay itself", async () => {
    const world = new World();
    world.pages.set(A, node(KEY_A, "10.88.0.12:51820"));
    await world.until([ALL[0] ?? "", `${KEY_A.slice(0, 4)} 10.88.0.11/32 undefined`, ALL[2] ?? ""]);
  });

  it("is tried again when it could not be used", async () => {
    const world = new World();
    world.error = new Error("the disk is full");
    await world.said(/the list of peers: the disk is full/);
    world.error = undefined;
    await world.until(ALL);
  });

  it("is asked again at once when somebody wants it", async () => {
    let reads = 0;
    const directory = new Directory({
      source: "/list.json",
      publicKey: () => OWN_KEY,
      onChanged: async () => {},
      onTrouble: () => {},
      readFile: async () => {
        reads++;
        return JSON.stringify([A]);
      },
      fetch: async () => ({ text: node(KEY_A), tag: undefined }),
    });
    onTestFinished(() => directory.close());
    directory.start();
    await expect.poll(() => reads).toBe(1);
    await expect.poll(() => directory.listed().peers.length).toBe(1);
    expect(directory.listed().peers[0]?.allowedIps).toEqual([]);
    directory.again();
    await expect.poll(() => reads).toBe(2);
  });
});
