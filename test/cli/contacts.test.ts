import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { formatAddress, Keypair } from "../../src/index.js";
import { Home, objects } from "../support/command.js";
import { startEmbeddedBroker } from "../support/embedded-broker.js";
import { poolOf, record, startPeer, use } from "../support/peers.js";

const ADDRESS = Keypair.generate().publicKeyHex;
const SW1 = formatAddress(ADDRESS);
const OTHER = formatAddress(Keypair.generate().publicKeyHex);
const FILE = "config/sidewire/contacts.txt";

let home: Home;

beforeEach(() => {
  home = new Home();
});

function textOf(path = FILE): string {
  return readFileSync(home.path(path), "utf8");
}

describe("contact", () => {
  it("adds, lists, renames and removes, in a file that its owner can read and edit", async () => {
    const added = await home.run(["contact", "add", "ben", SW1]);
    expect(added).toEqual({ code: 0, signal: null, out: `✓ ben is ${SW1}\n`, err: "" });
    expect((await home.run(["contact", "add", "Änn-2", OTHER])).code).toBe(0);
    expect(textOf()).toBe(`ben ${SW1}\nÄnn-2 ${OTHER}\n`);
    expect((statSync(home.path(FILE)).mode & 0o777).toString(8)).toBe("600");
    expect((await home.run(["contact", "list"])).out).toBe(`ben\t${SW1}\nÄnn-2\t${OTHER}\n`);
    expect((await home.run(["contact", "rename", "BEN", "benjamin"])).out).toBe(`✓ benjamin is ${SW1}\n`);
    expect(objects((await home.run(["contact", "list", "--json"])).out)[0]).toEqual({
      name: "benjamin",
      sw1: SW1,
      address: ADDRESS,
    });
    expect((await home.run(["contact", "remove", "änn-2"])).out).toBe(`✓ Änn-2 was ${OTHER}\n`);
    expect(textOf()).toBe(`benjamin ${SW1}\n`);
    expect(readdirSync(dirname(home.path(FILE)))).toEqual(["contacts.txt"]);
  });

  it("leaves everything else in the file as somebody wrote it, and its mode", async () => {
    const text = `# friends\r\n\r\n  ben\t${ADDRESS.toUpperCase()}   # Ben, of the boat\r\n ann ${OTHER}`;
    home.write(FILE, text, 0o640);
    const third = formatAddress(Keypair.generate().publicKeyHex);
    await home.run(["contact", "rename", "ben", "bert"]);
    await home.run(["contact", "add", "cleo", third]);
    expect(textOf()).toBe(`${text.replace("ben", "bert")}\ncleo ${third}\n`);
    expect((statSync(home.path(FILE)).mode & 0o777).toString(8)).toBe("640");
    await home.run(["contact", "remove", "bert"]);
    expect(textOf()).toBe(`# friends\r\n\r\n ann ${OTHER}\ncleo ${third}\n`);
  });

  it("says that there are none", async () => {
    expect(await home.run(["contact", "list"])).toMatchObject({
      code: 0,
      out: "",
      err: expect.stringContaining("sidewire contact add NAME ADDRESS"),
    });
    expect(await home.run(["contact", "list", "--json"])).toMatchObject({ code: 0, out: "", err: "" });
  });

  it("takes the same contact again, and nothing that contradicts one", async () => {
    home.write(FILE, `ben ${SW1}\n`);
    expect(await home.run(["contact", "add", "Ben", ADDRESS])).toMatchObject({
      code: 0,
      out: `✓ ben is ${SW1}\n`,
    });
    for (const [args, code, problem] of [
      [["add", "ben", OTHER], "CONTACT_EXISTS", `ben is ${SW1}`],
      [["add", "bert", SW1], "CONTACT_EXISTS", "that address is ben"],
      [["rename", "bert", "ben"], "NO_CONTACT", 'no contact is called "bert"'],
      [["remove", "bert"], "NO_CONTACT", 'no contact is called "bert"'],
      [["add", "bert", `${OTHER.slice(0, -1)}b`], "INVALID_ADDRESS", "ADDRESS: "],
      [["add", "sw1abc", OTHER], "USAGE", "NAME: a name must not look like an address"],
      [["add", "0".repeat(32), OTHER], "USAGE", "NAME: a name must not look like an address"],
      [["add", "", OTHER], "USAGE", "NAME: a name has"],
      [["add", "-x", OTHER], "USAGE", "unknown option"],
      [["add", "a b", OTHER], "USAGE", "NAME: a name has"],
      [["add", "a#b", OTHER], "USAGE", "NAME: a name has"],
      [["add", "a\u202eb", OTHER], "USAGE", "NAME: a name has"],
      [["add", "\u3164", OTHER], "USAGE", "NAME: a name has"],
      [["add", "x".repeat(33), OTHER], "USAGE", "NAME: a name has"],
      [["rename", "ben", "a/b"], "USAGE", "NEW: a name has"],
    ] as const) {
      const { code: exitCode, out, err } = await home.run(["contact", ...args, "--json"]);
      expect([exitCode, out]).toEqual([2, ""]);
      const [error] = objects(err);
      expect(error?.code).toBe(code);
      expect(error?.error).toContain(problem);
    }
    expect(textOf()).toBe(`ben ${SW1}\n`);
  });

  it.each([
    ["a word too many", `ben ${SW1}\nann ${OTHER} x\n`, 2, "expected a name and an address"],
    ["a name alone", `\n\nben\n`, 3, "expected a name and an address"],
    ["a typo", `ben ${SW1.slice(0, -1)}${SW1.endsWith("q") ? "p" : "q"}\n`, 1, "a typo near character 62"],
    ["a name twice", `ben ${SW1}\n# x\nBEN ${OTHER}\n`, 3, "ben in line 1 has the same name"],
    ["an address twice", `ben ${SW1}\nann ${ADDRESS}\n`, 2, "ben in line 1 has the same name or address"],
    ["a name that hides", `b\u200cn\u202e ${SW1}\n`, 1, "a name has"],
  ])("names the line of a file with %s, and changes nothing", async (_, text, line, problem) => {
    home.makeKey();
    home.write(FILE, text);
    for (const args of [["list"], ["add", "cleo", OTHER], ["remove", "ben"], ["rename", "ben", "x"]]) {
      const { code, out, err } = await home.run(["contact", ...args]);
      expect([code, out]).toEqual([2, ""]);
      expect(err).toContain(`contacts.txt:${line}: ${problem}`);
    }
    expect((await home.run(["send", "ben", "hello"])).err).toContain(`contacts.txt:${line}: ${problem}`);
    expect(textOf()).toBe(text);
  });

  it.each([
    ["bytes that are no text", Buffer.from([0x62, 0xff, 0x0a]), "not text in UTF-8"],
    ["very much", "#".repeat(300_000), "longer than 262144 bytes"],
  ])("refuses a file of %s, and changes nothing", async (_, text, problem) => {
    home.write(FILE, text);
    const { code, err } = await home.run(["contact", "add", "ben", SW1]);
    expect([code, err]).toEqual([2, expect.stringContaining(`contacts.txt: ${problem}`)]);
    expect(readFileSync(home.path(FILE))).toEqual(Buffer.from(text));
  });

  it("loses none of several that are added at once", async () => {
    const names = ["a", "b", "c", "d", "e", "f"];
    const added = await Promise.all(
      names.map((name) => home.run(["contact", "add", name, Keypair.generate().publicKeyHex])),
    );
    expect(added.map(({ code }) => code)).toEqual(names.map(() => 0));
    expect(
      textOf()
        .trim()
        .split("\n")
        .map((line) => line[0])
        .toSorted(),
    ).toEqual(names);
  });
});

describe("a contact's name", () => {
  it("is good wherever an address is, and stands where addresses would", async () => {
    home.makeKey();
    const broker = use(await startEmbeddedBroker());
    home.write("pool.json", poolOf([broker]));
    const pool = ["--brokers", "pool.json"];
    const [ben, ann] = await Promise.all([startPeer(poolOf([broker])), startPeer(poolOf([broker]))]);
    if (ben === undefined || ann === undefined) throw new Error("two were started");
    const shown = record(ben);
    home.write(FILE, `Ben ${formatAddress(ben.address)}\n`);
    const sent = await home.run(["send", "ben", "hello", ...pool, "--json"]);
    expect(objects(sent.out)).toMatchObject([{ delivered: true, to: ben.address, name: "Ben" }]);
    expect(shown.map((message) => message.text())).toEqual(["hello"]);
    expect(objects((await home.run(["probe", "ben", ...pool, "--json"])).out)).toMatchObject([
      { reachable: true, name: "Ben" },
    ]);
    expect((await home.run(["rank", "ben", ...pool])).code).toBe(0);

    home.write("friends", "ben # a name\n");
    const address = (await home.run(["id", "--hex"])).out.trim();
    const listening = await home.listen([...pool, "--accept", "friends"]);
    expect(await (await ann.pipe(address)).send("who?", { timeoutMs: 500 })).toBe(0);
    await (await ben.pipe(address)).deliver("it is me");
    await listening.until(({ out }) => out.includes("\tBen\tplain\tit is me\n"));
    await listening.stop();
    const chatting = home.start(["chat", "ben", ...pool, "--json"], { input: "bye\n" });
    expect((await chatting.ended).code).toBe(0);
    expect(shown.map((message) => [message.text(), message.sealed])).toContainEqual(["bye", true]);
  });

  it("costs a warning alone where the file is broken and only an address is asked for", async () => {
    const own = home.makeKey();
    const broker = use(await startEmbeddedBroker());
    home.write("pool.json", poolOf([broker]));
    home.write(FILE, "ben\n");
    const ben = await startPeer(poolOf([broker]));
    const sent = await home.run(["send", ben.address, "hello", "--brokers", "pool.json", "--json"]);
    expect(sent.code).toBe(0);
    expect(objects(sent.err)).toMatchObject([{ code: "INVALID_CONTACTS" }]);
    const listening = await home.listen(["--brokers", "pool.json"]);
    await (await ben.pipe(own)).deliver("still heard");
    await listening.until(({ out }) => out.includes("still heard"));
    expect((await listening.stop()).code).toBe(0);
  });
});
