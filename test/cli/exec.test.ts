import { existsSync, readFileSync, rmSync } from "node:fs";
import { beforeEach, describe, expect, it } from "vitest";
import type { Router } from "../../src/index.js";
import { Home, objects, type Running } from "../support/command.js";
import { type EmbeddedBroker, startEmbeddedBroker } from "../support/embedded-broker.js";
import { poolOf, startPeer, use } from "../support/peers.js";

let home: Home;
let broker: EmbeddedBroker;
let address: string;

beforeEach(async () => {
  home = new Home();
  broker = use(await startEmbeddedBroker());
  home.write("pool.json", poolOf([broker]));
  address = home.makeKey();
});

function peer(): Promise<Router> {
  return startPeer(poolOf([broker]));
}

/** Listens with a program in Node, which is given its arguments. */
function listenWith(
  script: string,
  args: readonly string[] = [],
  more: readonly string[] = [],
): Promise<Running> {
  home.write("program.mjs", script);
  const exec = ["--exec", process.execPath, "--", "program.mjs", ...args];
  return home.listen(["--brokers", "pool.json", ...more, ...exec]);
}

const READ = `
import { appendFileSync, existsSync, readFileSync } from "node:fs";
const data = readFileSync(0);
`;

describe("listen --exec", () => {
  it("gives the bytes to the program's stdin and the rest in its environment, without a shell", async () => {
    const listening = await listenWith(
      `${READ}
      const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => name.startsWith("SIDEWIRE_")));
      console.log(JSON.stringify({ hex: data.toString("hex"), args: process.argv.slice(2), env }));`,
      ["$HOME; echo", "a b", "--json", "*"],
    );
    const ann = await peer();
    const bytes = Buffer.from([0, 10, 255, 36]);
    await (await ann.pipe(address, { encrypt: true })).deliver(bytes);
    await listening.until(({ out }) => out.includes("\n"));
    const { code, out } = await listening.stop();
    expect(code).toBe(0);
    expect(objects(out)).toEqual([
      {
        hex: bytes.toString("hex"),
        args: ["$HOME; echo", "a b", "--json", "*"],
        env: {
          SIDEWIRE_KEY: home.keyFile,
          SIDEWIRE_BROKERS: home.path("pool.json"),
          SIDEWIRE_FROM: ann.address,
          SIDEWIRE_NAME: "",
          SIDEWIRE_TIME: expect.stringMatching(/^\d{4}-.*Z$/),
          SIDEWIRE_SENT_AT: expect.stringMatching(/^\d{4}-.*Z$/),
          SIDEWIRE_SEALED: "1",
          SIDEWIRE_BROKER: "127.0.0.1",
          SIDEWIRE_SEQUENCE: "0",
        },
      },
    ]);
  });

  it("separates what programs print: by lines, also where the last one has no line break", async () => {
    const listening = await listenWith(
      `${READ}
      process.stdout.write("begin " + data);
      await new Promise((resolve) => setTimeout(resolve, 100));
      process.stdout.write(", end " + data + (String(data) === "2" ? "\\n" : ""));`,
    );
    const pipes = await Promise.all([1, 2, 3].map(async () => await (await peer()).pipe(address)));
    await Promise.all(pipes.map((pipe, i) => pipe.deliver(String(i))));
    await listening.until(({ out }) => out.split("\n").length > 3);
    const { out } = await listening.stop();
    expect(out.split("\n").toSorted()).toEqual(["", ...[0, 1, 2].map((i) => `begin ${i}, end ${i}`)]);
  });

  it("runs one at a time for a sender, in order, and others at the same time", async () => {
    // Each writes when it begins and ends; Ann's first goes on until Ben's has begun.
    const listening = await listenWith(
      `${READ}
      appendFileSync("log", "begin " + data + "\\n");
      while (String(data) === "ann 0" && !readFileSync("log", "utf8").includes("ben"))
        await new Promise((resolve) => setTimeout(resolve, 10));
      appendFileSync("log", "end " + data + "\\n");`,
    );
    const [ann, ben] = await Promise.all([peer(), peer()]);
    const annsPipe = await ann.pipe(address);
    await Promise.all([0, 1, 2].map((i) => annsPipe.deliver(`ann ${i}`)));
    await (await ben.pipe(address)).deliver("ben 0");
    const log = (): string => (existsSync(home.path("log")) ? readFileSync(home.path("log"), "utf8") : "");
    await expect.poll(log, { timeout: 40_000 }).toContain("end ann 2");
    const anns = log()
      .split("\n")
      .filter((line) => line.includes("ann"));
    expect(anns).toEqual([0, 1, 2].flatMap((i) => [`begin ann ${i}`, `end ann ${i}`]));
    expect(log().indexOf("begin ben 0")).toBeLessThan(log().indexOf("end ann 0"));
    await listening.stop();
  });

  it("reports a program that fails, with the message, and goes on", async () => {
    const listening = await listenWith(`${READ}
      if (String(data) === "die") process.kill(process.pid, "SIGKILL");
      process.exitCode = Number(data);`);
    const pipe = await (await peer()).pipe(address);
    for (const text of ["3", "0", "die", "4"]) await pipe.deliver(text);
    await listening.until(({ err }) => err.includes("exit code 4"));
    const { code, err } = await listening.stop();
    expect(code).toBe(0);
    const failures = err.split("\n").filter((line) => line.startsWith("!"));
    expect(failures).toEqual([
      expect.stringMatching(/failed \(exit code 3\) for the message of \S+Z from sw1q[0-9a-z]{58}: 3$/),
      expect.stringMatching(/failed \(killed by SIGKILL\) .*: die$/),
      expect.stringMatching(/failed \(exit code 4\) .*: 4$/),
    ]);
  });

  it("reports a program that cannot be started any more, and goes on", async () => {
    const write = (): string => home.write("folder/program", "#!/bin/sh\nexec cat\n", 0o755);
    write();
    const listening = await home.listen(["--brokers", "pool.json", "--exec", "./folder/program"]);
    const pipe = await (await peer()).pipe(address);
    rmSync(home.path("folder"), { recursive: true });
    home.write("folder", "");
    await pipe.deliver("one");
    await listening.until(({ err }) => err.includes("failed"));
    rmSync(home.path("folder"));
    write();
    await pipe.deliver("two");
    await listening.until(({ out }) => out === "two\n");
    const { code, err } = await listening.stop();
    expect(code).toBe(0);
    const failures = err.split("\n").filter((line) => line.startsWith("!"));
    expect(failures).toEqual([
      expect.stringMatching(/failed \(a part of the path is not a folder\) for the message .*: one$/),
    ]);
  });

  it("says how each program ended with --json, and keeps what they say off stdout", async () => {
    const listening = await listenWith(
      `${READ} console.log("not JSON"); process.exitCode = Number(data);`,
      [],
      ["--json"],
    );
    const pipe = await (await peer()).pipe(address);
    for (const text of ["0", "7"]) await pipe.deliver(text);
    await listening.until(({ out }) => out.includes('"exitCode":7'));
    const { out, err } = await listening.stop();
    const ends = objects(out).filter(({ event }) => event === "exec");
    expect(ends).toMatchObject([
      { exitCode: 0, sequence: 0 },
      { exitCode: 7, sequence: 1 },
    ]);
    expect(objects(out).filter(({ event }) => event === "message")).toHaveLength(2);
    expect(err).toBe("not JSON\nnot JSON\n");
  });

  it("copes with a program that does not read what it is given", async () => {
    const listening = await listenWith(`console.log("done")`);
    const pipe = await (await peer()).pipe(address);
    await pipe.deliver("x".repeat(61_440));
    await pipe.deliver("y");
    await listening.until(({ out }) => out === "done\ndone\n");
    expect(await listening.stop()).toMatchObject({ code: 0 });
  });

  it("lets every message that was acknowledged have its program, also when it is ended", async () => {
    const listening = await listenWith(`${READ}
      appendFileSync("log", data + "\\n");
      while (!existsSync("go")) await new Promise((resolve) => setTimeout(resolve, 10));`);
    const ann = await peer();
    const pipe = await ann.pipe(address);
    await Promise.all(["one", "two", "three"].map((text) => pipe.deliver(text)));
    await expect.poll(() => existsSync(home.path("log")), { timeout: 40_000 }).toBe(true);
    listening.child.kill("SIGINT");
    await listening.until(({ err }) => err.includes("3 messages still to be handled"));
    // It takes no more.
    expect(await pipe.send("four", { timeoutMs: 300 })).toBe(0);
    home.write("go", "");
    expect((await listening.ended).code).toBe(0);
    expect(readFileSync(home.path("log"), "utf8")).toBe("one\ntwo\nthree\n");
  });

  it("is killed by a second SIGINT", async () => {
    const listening = await listenWith(`${READ}
      appendFileSync("log", "");
      const parent = process.ppid;
      // Not to be left behind by the test.
      while (process.ppid === parent) await new Promise((resolve) => setTimeout(resolve, 10));`);
    await (await (await peer()).pipe(address)).deliver("hang");
    await expect.poll(() => existsSync(home.path("log")), { timeout: 40_000 }).toBe(true);
    listening.child.kill("SIGINT");
    await listening.until(({ err }) => err.includes("1 message still to be handled"));
    listening.child.kill("SIGINT");
    expect(await listening.ended).toMatchObject({ code: null, signal: "SIGINT" });
  });
});
