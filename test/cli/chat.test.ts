import stringWidth from "string-width";
import { beforeEach, describe, expect, it } from "vitest";
import { formatAddress, Keypair } from "../../src/index.js";
import { Home, objects } from "../support/command.js";
import { type EmbeddedBroker, startEmbeddedBroker } from "../support/embedded-broker.js";
import { withTerminal } from "../support/needs.js";
import { poolOf, record, startPeer, use } from "../support/peers.js";

let home: Home;
let broker: EmbeddedBroker;
const POOL: readonly string[] = ["--brokers", "pool.json"];

beforeEach(async () => {
  home = new Home();
  broker = use(await startEmbeddedBroker());
  home.write("pool.json", poolOf([broker]));
});

describe("chat in a pipe", () => {
  it("sends line by line, in order, and tells what became of each", async () => {
    const own = home.makeKey();
    const ann = await startPeer(poolOf([broker]));
    const shown = record(ann);
    const chatting = home.start(["chat", ...POOL, ann.address], { open: true });
    await chatting.until(({ err }) => err.includes("● there"));
    const lines = Array.from({ length: 30 }, (_, i) => `line ${i}`);
    chatting.type(`${lines.join("\n")}\n\n`);
    await chatting.until(({ out }) => out.includes("line 29"));
    await (await ann.pipe(own)).deliver("got \x1b[1m all");
    await chatting.until(({ out }) => out.includes("got"));
    chatting.child.stdin?.end();
    const { code, out, err } = await chatting.ended;
    expect(code).toBe(0);
    // Nothing of Node's, however many are on their way.
    expect(err).not.toContain("Warning");
    expect(shown.map((message) => message.text())).toEqual(lines);
    const said = out
      .trimEnd()
      .split("\n")
      .map((line) => line.split("\t").slice(1));
    expect(said).toEqual([
      ...lines.map((line) => ["✓", "sealed", line]),
      [formatAddress(ann.address), "plain", "got \\x1b[1m all"],
    ]);
  });

  it("sends everything before the end of input, and ends with 1 where something was not delivered", async () => {
    home.makeKey();
    const nobody = Keypair.generate().publicKeyHex;
    const { code, out } = await home.run(["chat", ...POOL, nobody, "--json", "--timeout", "2000"], {
      input: "one\ntwo",
    });
    expect(code).toBe(1);
    const sent = objects(out).filter(({ event }) => event === "sent");
    expect(sent).toMatchObject([
      { text: "one", delivered: false, code: "NO_ACK" },
      { text: "two", delivered: false, code: "NO_ACK" },
    ]);
    expect(objects(out)).toContainEqual({ event: "presence", present: false });
  });

  it("tells no trouble when the input has ended", async () => {
    home.makeKey();
    const ann = await startPeer(poolOf([broker]));
    for (let i = 0; i < 3; i++) {
      const chatting = home.start(["chat", ...POOL, ann.address, "--json"], { open: true });
      await chatting.until(({ out }) => out.includes("presence"));
      chatting.child.stdin?.end();
      expect(await chatting.ended).toMatchObject({ code: 0, err: "" });
    }
  });

  it("says why a line was not sent", async () => {
    home.makeKey();
    const nobody = Keypair.generate().publicKeyHex;
    const chatting = home.start(["chat", ...POOL, nobody, "--json", "--plain"], { open: true });
    chatting.type(`${"x".repeat(65_537)}\n`);
    await chatting.until(({ out }) => out.includes("MESSAGE_TOO_LARGE"));
    chatting.type("hello\n");
    await chatting.until(({ out }) => out.includes("NO_ACK"));
    chatting.type("hello again\n");
    const published = new Promise<void>((resolve) => {
      broker.aedes.on("publish", ({ topic, payload }) => {
        if (topic === nobody && payload.includes("hello again")) resolve();
      });
    });
    await published;
    const { out } = await chatting.stop();
    const sent = objects(out).filter(({ event }) => event === "sent");
    expect(sent.map(({ code }) => code)).toEqual(["MESSAGE_TOO_LARGE", "NO_ACK", "ABORTED"]);
  });

  it("says when it cannot be reached any more, and when it can again", async () => {
    home.makeKey();
    const nobody = Keypair.generate().publicKeyHex;
    const chatting = home.start(["chat", ...POOL, nobody, "--json", "--timeout", "1000"], { open: true });
    await chatting.until(({ out }) => out.includes("presence"));
    await broker.close();
    await chatting.until(({ err }) => err.includes("no broker is connected"));
    use(await startEmbeddedBroker("127.0.0.1", broker.port));
    await chatting.until(({ out }) => out.includes('{"event":"connected"}'));
    const { code, err } = await chatting.stop();
    expect(code).toBe(0);
    expect(objects(err)).toMatchObject([{ code: "NO_BROKER", warning: expect.any(String) }]);
  });

  it("shows what the own key says elsewhere: it is acknowledged, so that doctor finds it", async () => {
    const own = home.makeKey();
    const nobody = Keypair.generate().publicKeyHex;
    const chatting = home.start(["chat", ...POOL, nobody], { open: true });
    await chatting.until(({ err }) => err.includes("Chat with"));
    expect(await home.run(["send", ...POOL, own, "from elsewhere"])).toMatchObject({ code: 0 });
    await chatting.until(({ out }) => out.includes("from elsewhere"));
    const { out, err } = await chatting.stop();
    expect(out).toContain(`${formatAddress(own)}\tsealed\tfrom elsewhere\n`);
    expect(err).not.toContain("● there");
  });

  it("hears nobody else", async () => {
    const own = home.makeKey();
    const [ann, ben] = await Promise.all([1, 2].map(() => startPeer(poolOf([broker]))));
    if (ann === undefined || ben === undefined) throw new Error("two were started");
    const shown = record(ann);
    const chatting = home.start(["chat", ...POOL, ann.address, "--json"], { open: true });
    await chatting.until(({ out }) => out.includes("presence"));
    chatting.type("secret\n");
    await chatting.until(({ out }) => out.includes("secret"));
    expect(shown.map((message) => [message.text(), message.sealed])).toEqual([["secret", true]]);
    expect(await (await ben.pipe(own)).send("me too?", { timeoutMs: 500 })).toBe(0);
    expect(await (await ann.pipe(own)).send("hear you")).toBe(8);
    await chatting.until(({ out }) => out.includes("hear you"));
    const { code, out, err } = await chatting.stop();
    expect([code, err]).toEqual([0, ""]);
    expect(objects(out).map(({ event }) => event)).toEqual(["presence", "sent", "message"]);
  });
});

withTerminal("chat at two terminals", (inTerminal) => {
  it("shows lines with their marks, what the other one says, and who is there", async () => {
    const ann = home.makeKey();
    const other = new Home();
    other.write("pool.json", poolOf([broker]));
    const ben = other.makeKey();
    const annsTerminal = home.startIn(inTerminal, ["chat", ...POOL, ben]);
    await annsTerminal.until(({ out }) => out.includes("Ctrl-D"));
    const bensTerminal = other.startIn(inTerminal, ["chat", ...POOL, ann]);
    await bensTerminal.until(({ out }) => out.includes("is there"));
    annsTerminal.type("hello Ben\rhow are you?\r");
    await annsTerminal.until(({ out }) => /✓.*how are you\?/.test(out));
    expect(annsTerminal.out.indexOf("hello Ben")).toBeLessThan(annsTerminal.out.search(/✓.*how are you/));
    await bensTerminal.until(({ out }) => out.includes("how are you?"));
    bensTerminal.type("half typed");
    await bensTerminal.until(({ out }) => out.includes("half typed"));
    annsTerminal.type("\x15one more\r");
    await bensTerminal.until(({ out }) => /one more[\s\S]*half typed/.test(out));

    // Ctrl-C ends one, Ctrl-D the other, which hears no more.
    bensTerminal.type("\x03");
    expect(await bensTerminal.ended).toMatchObject({ code: 0, signal: null });
    annsTerminal.type("still there?\r");
    await annsTerminal.until(({ out }) => /✗.*still there\?.*no answer/.test(out));
    await annsTerminal.until(({ out }) => out.includes("is not there"));
    annsTerminal.type("\x04");
    expect(await annsTerminal.ended).toMatchObject({ code: 1, signal: null });
  });

  it("says above what is typed that no broker is there any more", async () => {
    home.makeKey();
    const terminal = home.startIn(inTerminal, ["chat", ...POOL, Keypair.generate().publicKeyHex]);
    await terminal.until(({ out }) => out.includes("Ctrl-D"));
    terminal.type("half typed");
    await terminal.until(({ out }) => out.includes("half typed"));
    await broker.close();
    await terminal.until(({ out }) =>
      /no broker is connected any more; trying again\r?\n[\s\S]*half typed/.test(out),
    );
    terminal.type("\x03");
    expect((await terminal.ended).signal).toBeNull();
  });

  it("fits 40 columns, whoever is talked with", async () => {
    const own = home.makeKey();
    const ann = await startPeer(poolOf([broker]));
    home.write("config/sidewire/contacts.txt", `${"n".repeat(32)} ${ann.address}\n`);
    const terminal = home.startIn(inTerminal, ["chat", ...POOL, "n".repeat(32)], { NO_COLOR: "1" }, 40);
    await terminal.until(({ out }) => out.includes("is there"));
    await (await ann.pipe(own)).deliver(`${"a long line ".repeat(9)}end`);
    await terminal.until(({ out }) => out.includes("end"));
    terminal.type("and what is typed is as long: so long\r");
    await terminal.until(({ out }) => out.includes("✓"));
    await ann.close();
    terminal.type("nobody has this\r");
    await terminal.until(({ out }) => out.includes("✗") && out.includes("answer)"));
    terminal.type("\x03");
    const { out } = await terminal.ended;
    const said = out.split(/\r?\n/).filter((line) => /^\d\d:\d\d:\d\d |^ {10,}/.test(line));
    expect(said.length).toBeGreaterThan(8);
    for (const line of said) expect(stringWidth(line)).toBeLessThanOrEqual(40);
  });

  it("keeps a stranger's control characters from the terminal", async () => {
    const own = home.makeKey();
    const ann = await startPeer(poolOf([broker]));
    const terminal = home.startIn(inTerminal, ["chat", ...POOL, ann.address]);
    await terminal.until(({ out }) => out.includes("is there"));
    await (await ann.pipe(own)).deliver("\x1b]0;title\x07\r\n\x9b2Jend");
    await terminal.until(({ out }) => out.includes("end"));
    terminal.type("\x03");
    const { out } = await terminal.ended;
    expect(out).toContain("\\x1b]0;title\\x07\\r\\n\\x9b2Jend");
    expect(out).not.toContain("\x1b]0;");
  });
});

withTerminal("listen at a terminal", (inTerminal) => {
  it("has colours, unless NO_COLOR is set, and the whole address once", async () => {
    const own = home.makeKey();
    const ann = await startPeer(poolOf([broker]));
    for (const env of [{}, { NO_COLOR: "1" }]) {
      const terminal = home.startIn(inTerminal, ["listen", ...POOL], env);
      await terminal.until(({ out }) => out.includes("Ctrl-C"));
      const pipe = await ann.pipe(own);
      for (const text of ["one", "two"]) await pipe.deliver(text);
      await terminal.until(({ out }) => out.includes("two"));
      terminal.type("\x03");
      const { code, out } = await terminal.ended;
      expect(code).toBe(0);
      const address = formatAddress(ann.address);
      expect(out.split(address)).toHaveLength(2);
      // Cyan, for the sender.
      expect(out.includes("\x1b[36m")).toBe(env.NO_COLOR === undefined);
      for (const text of ["one", "two"])
        expect(out).toMatch(new RegExp(`${address.slice(0, 10)}…${address.slice(-4)}.* .*plain.*  ${text}`));
    }
  });
});
