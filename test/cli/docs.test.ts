import { readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { expect, it } from "vitest";
import { Home } from "../support/command.js";

const TEXT = readFileSync(join(import.meta.dirname, "../../docs/cli.md"), "utf8");
const BLOCKS = [...TEXT.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block = ""]) => block);

it("docs/cli.md runs as it stands there", async () => {
  const [keys, broker, listen, use, exec, ...more] = BLOCKS;
  if (exec === undefined || more.length > 0) throw new Error("five blocks are expected");
  const home = new Home();
  home.link("bin/sidewire");
  // The real one stands between a command and its signals, and would look for the package elsewhere.
  home.write("bin/npx", '#!/bin/sh\nexec "$@"\n', 0o755);
  const env = { PATH: `${home.path("bin")}${delimiter}${process.env.PATH}` };
  // `exec`, so that a signal reaches the command and not a shell in between.
  const terminal = (block = "", prefix = ""): ReturnType<Home["shell"]> =>
    home.shell(`set -e\n${prefix}${block}`, { env });

  const made = await terminal(keys).ended;
  expect(made.code).toBe(0);
  const brokers = terminal(broker, "exec ");
  await brokers.until(({ err }) => err.includes("Listening"));
  const listening = terminal(listen, "exec ");
  await listening.until(({ err }) => err.includes("Listening as"));
  const handling = terminal(exec, "exec ");
  await handling.until(({ err }) => err.includes("Listening as"));

  const { code, out, err } = await terminal(use).ended;
  expect(err).not.toContain("sidewire:");
  expect(code).toBe(0);
  expect(out).toContain("✓ ben is ");
  expect(out).toContain("✓ 5 bytes delivered sealed, by");
  expect(out).toContain("✓ there");
  expect(out).toContain("● connected");
  expect(out).toContain("1 of 1 brokers can be used, 2 of 2 ports");
  expect(listening.out.trimEnd().split("\n")).toHaveLength(2);
  expect(listening.out).toMatch(/\tsealed\thello\n/);

  const [mine = "", anns = ""] = made.out.split("\n");
  expect(listening.out).toContain(`${anns}\tplain\thello again\\n\n`);
  const answer = await terminal(`npx sidewire send --brokers pool.json ${anns} "for Ann from ${mine}"`).ended;
  expect(answer.code).toBe(0);
  await handling.until((running) => running.out.includes(mine));
  expect(readFileSync(home.path("messages.txt"), "utf8")).toBe(`for Ann from ${mine}`);
  for (const running of [handling, listening, brokers]) expect((await running.stop()).code).toBe(0);
});
