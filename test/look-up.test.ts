import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { afterEach, describe, expect, it, vi } from "vitest";
import { AbortError } from "../src/base/errors.js";
import { type IpVersion, lookUp } from "../src/platform/look-up.js";
import { forkProgram } from "./support/forked.js";
import { NameServer, type Saying } from "./support/name-server.js";
import { use } from "./support/peers.js";

/** What these tests have instead of the machine's: name servers, a hosts file, and what the system finds by itself. */
const machine = vi.hoisted(() => ({
  servers: [] as string[],
  hosts: "",
  bySystem: [] as { address: string; family: number }[],
  askedOfSystem: [] as unknown[],
}));

vi.mock("node:dns/promises", async (importOriginal) => {
  const dns = await importOriginal<typeof import("node:dns/promises")>();
  class Resolver extends dns.Resolver {
    constructor(options: ConstructorParameters<typeof dns.Resolver>[0]) {
      super(options);
      this.setServers(machine.servers);
    }
  }
  const lookup = async (...asked: unknown[]): Promise<unknown> => {
    machine.askedOfSystem.push(asked);
    return machine.bySystem;
  };
  return { ...dns, Resolver, lookup };
});
vi.mock("node:fs/promises", async (importOriginal) => {
  const fs = await importOriginal<typeof import("node:fs/promises")>();
  const readFile = async (path: string, encoding: "latin1"): Promise<string> =>
    path === "/etc/hosts" ? machine.hosts : await fs.readFile(path, encoding);
  return { ...fs, readFile };
});

const { platform } = process;
afterEach(() => {
  Object.assign(machine, { servers: [], hosts: "", bySystem: [], askedOfSystem: [] });
  Object.defineProperty(process, "platform", { value: platform });
});

const never = new AbortController().signal;

/** Starts a name server, which is asked after those that there are. */
async function serve(says: Saying): Promise<NameServer> {
  const server = use(await NameServer.start(says));
  machine.servers.push(server.name);
  return server;
}

describe.runIf(platform === "linux")("the addresses of a name", () => {
  it.each<[readonly IpVersion[], readonly string[]]>([
    [[4], ["192.0.2.1", "192.0.2.2"]],
    [[6], ["2001:db8::1"]],
    [
      [4, 6],
      ["192.0.2.1", "192.0.2.2", "2001:db8::1"],
    ],
  ])("are those that a name server says, of versions %j", async (versions, expected) => {
    const server = await serve((_, version) =>
      version === 4 ? ["192.0.2.1", "192.0.2.2"] : ["2001:db8::1"],
    );
    expect(await lookUp("some.example", versions, never)).toEqual(expected);
    expect(server.questions.sort()).toEqual(versions.map((version) => `some.example ${version}`));
    expect(machine.askedOfSystem).toEqual([]);
  });

  it("are those of the hosts file, if it has one of the version", async () => {
    const server = await serve(() => ["192.0.2.9"]);
    machine.hosts = [
      "# 192.0.2.8 some.example",
      "192.0.2.1\tother.example  Some.Example # mine",
      "192.0.2.2 not-some.example some.example.org #some.example",
      "nonsense some.example",
      "2001:db8::1 some.example",
      "192.0.2.3 some.example\r",
    ].join("\n");
    expect(await lookUp("sOme.example", [4], never)).toEqual(["192.0.2.1", "192.0.2.3"]);
    expect(await lookUp("some.example", [6], never)).toEqual(["2001:db8::1"]);
    expect(server.questions).toEqual([]);
    expect(await lookUp("other.example", [6, 4], never)).toEqual(["192.0.2.1"]);
    expect(await lookUp("not.example", [4], never)).toEqual(["192.0.2.9"]);
  });

  it("is an address itself", async () => {
    expect(await lookUp("192.0.2.1", [4, 6], never)).toEqual(["192.0.2.1"]);
    expect(await lookUp("2001:db8::1", [4, 6], never)).toEqual(["2001:db8::1"]);
  });

  it("are left to the system when a name server has none", async () => {
    await serve(() => "no such name");
    machine.bySystem = [{ address: "192.0.2.7", family: 4 }];
    expect(await lookUp("printer", [4], never)).toEqual(["192.0.2.7"]);
    expect(machine.askedOfSystem).toMatchObject([["printer", { all: true, family: 4 }]]);
  });

  it.each(["printer.local", "Printer.LOCAL."])("are left to the system for %s", async (name) => {
    const server = await serve(() => ["192.0.2.1"]);
    machine.bySystem = [{ address: "192.0.2.7", family: 4 }];
    expect(await lookUp(name, [4, 6], never)).toEqual(["192.0.2.7"]);
    expect(machine.askedOfSystem).toMatchObject([[name, { family: 0 }]]);
    expect(server.questions).toEqual([]);
  });

  it("are left to the system where it may have name servers for some domains", async () => {
    Object.defineProperty(process, "platform", { value: "darwin" });
    machine.bySystem = [{ address: "::1", family: 6 }];
    expect(await lookUp("some.example", [6], never)).toEqual(["::1"]);
  });

  it("are found at the second name server when the first says nothing", async () => {
    const silent = await serve(() => "nothing");
    await serve(() => ["192.0.2.1"]);
    expect(await lookUp("some.example", [4], never)).toEqual(["192.0.2.1"]);
    expect(silent.questions).toEqual(["some.example 4"]);
  });

  it("are those of one version where nothing is said of the other", async () => {
    await serve((_, version) => (version === 4 ? ["192.0.2.1"] : "nothing"));
    expect(await lookUp("some.example", [4, 6], never)).toEqual(["192.0.2.1"]);
  });

  it("are not known when no name server answers, and the system is not asked", async () => {
    await serve(() => "nothing");
    await expect(lookUp("some.example", [4], never)).rejects.toMatchObject({ code: "ETIMEOUT" });
    expect(machine.askedOfSystem).toEqual([]);
  });

  it("are waited for no longer than the signal lets", async () => {
    const server = await serve(() => "nothing");
    const controller = new AbortController();
    const looking = lookUp("some.example", [4, 6], controller.signal);
    await server.asked();
    controller.abort();
    await expect(looking).rejects.toBeInstanceOf(AbortError);
    await expect(lookUp("some.example", [4], controller.signal)).rejects.toBeInstanceOf(AbortError);
    // Files are read all the same.
    expect(await readFile(import.meta.filename, "latin1")).toContain("name server");
  });
});

describe.runIf(platform === "linux")("a process whose name servers say nothing", () => {
  it("ends within a second of the router's end, and reads files meanwhile", async () => {
    const server = use(await NameServer.start(() => "nothing"));
    const child = await forkProgram(new URL("./support/silent-names-program.ts", import.meta.url));
    const looking = server.asked();
    child.send(server.name);
    await looking;
    child.send("close");
    const [closedAt] = await once(child, "message");
    const [code] = await once(child, "exit");
    expect(code).toBe(0);
    expect(Date.now() - closedAt).toBeLessThan(1000);
  });
});
