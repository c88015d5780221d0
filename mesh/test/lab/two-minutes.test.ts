import { expect, it } from "vitest";
import { atOurPace } from "../../../test/support/pace.js";
import { homes } from "../support/lab-member.js";
import { withLab } from "../support/needs.js";
import { blocksBelow, texts, wordsOf } from "../support/page-blocks.js";
import { PageHosts } from "../support/page-host.js";

/** How long two machines may take from the second start to the first answer of a ping, in ms. */
const MEET_MS = 15_000;

const SLOW_MS = 120_000;

withLab("the README of the mesh, word for word", (startLab) => {
  it("has a start of two minutes that two newcomers can follow", { timeout: SLOW_MS }, async () => {
    const blocks = blocksBelow("README.md", "Two minutes, two machines");
    const [both = "", first = "", second = ""] = texts(blocks, "sh", 3);
    const [output = ""] = texts(blocks, "text", 1);
    await using lab = await startLab(homes("ha", "hb"));
    await using machines = new PageHosts(lab, ["ha", "hb"]);
    const [a, b] = machines.all;
    if (a === undefined || b === undefined) throw new Error("a machine is missing");

    const keys = [await a.run(both), await b.run(both)].map((printed) => printed.trim());
    const [keyA = "", keyB = ""] = keys;
    expect(keys).toEqual([expect.stringMatching(/^\S{43}=$/), expect.stringMatching(/^\S{43}=$/)]);
    const withOther = (block: string, key: string): string => {
      expect(block).toMatch(/^OTHER=\S{43}=$/m);
      return block.replace(/^OTHER=.*$/m, `OTHER=${key}`);
    };
    const daemon = a.start(withOther(first, keyB));
    await daemon.wrote(/is looked after/);
    const other = b.start(withOther(second, keyA));
    for (const one of [daemon, other]) await one.wrote(/ direct {3}direct NAT /);

    // The page says this below the output.
    await expect.poll(async () => (await a.tryRun("ping -c 1 -W 1 10.9.0.2")).code, atPace(MEET_MS)).toBe(0);
    await expect.poll(async () => (await b.tryRun("ping -c 1 -W 1 10.9.0.1")).code, atPace(MEET_MS)).toBe(0);
    const status = await a.run("sudo node_modules/.bin/sidewire-mesh status");
    expect(status).toContain(keyB.slice(0, 8));
    const printed = new Set(daemon.log.split("\n").map(wordsOf));
    const shown = output.split("\n").map(wordsOf);
    expect(shown.length).toBeGreaterThan(3);
    // The second start may come before the first host probes: then there is no line for that.
    expect(shown.filter((line) => !printed.has(line) && !line.includes("probing"))).toEqual([]);

    await a.run("sudo node_modules/.bin/sidewire-mesh down wg0");
    await daemon.wrote(/\(ended with 0\)/);
    expect((await a.tryRun("ip link show wg0")).code).not.toBe(0);
  });

  it("has lines for an interface of wg-quick", { timeout: SLOW_MS }, async () => {
    const blocks = blocksBelow("README.md", "With an interface that you have");
    const [file = ""] = texts(blocks, "text", 1);
    const [lines = ""] = texts(blocks, "sh", 1);
    await using lab = await startLab(homes("ha", "hb"));
    await using machines = new PageHosts(lab, ["ha", "hb"]);
    const [a, b] = machines.all;
    if (a === undefined || b === undefined) throw new Error("a machine is missing");
    const keys = await Promise.all(
      [a, b].map(async (one) => {
        const privateKey = (await one.run("sidewire-mesh keygen")).trim();
        const publicKey = (await one.run(`sidewire-mesh pubkey <<< ${privateKey}`)).trim();
        return { privateKey, publicKey };
      }),
    );
    const fill = (own: number, other: number): string => {
      const [mine, theirs] = [keys[own], keys[other]];
      const swapped =
        own === 0 ? file : file.replaceAll(/10\.9\.0\.[12]/g, (one) => `10.9.0.${one.endsWith("1") ? 2 : 1}`);
      return `${swapped
        .replace("PrivateKey = …", `PrivateKey = ${mine?.privateKey}`)
        .replace("PublicKey = …", `PublicKey = ${theirs?.publicKey}`)}\n`;
    };
    a.write("/etc/wireguard/wg0.conf", fill(0, 1));
    b.write("/etc/wireguard/wg0.conf", fill(1, 0));
    const daemons = [a.start(lines), b.start(lines)];
    for (const one of daemons) await one.wrote(/ direct {3}direct NAT /);
    await expect.poll(async () => (await a.tryRun("ping -c 1 -W 1 10.9.0.2")).code, atPace(MEET_MS)).toBe(0);
    // What the page says of it.
    expect(await a.run("sidewire-mesh plan wg0")).toContain("nft");
    await a.run("sidewire-mesh down wg0");
    expect((await a.tryRun("ip link show wg0")).code).toBe(0);
  });
});

function atPace(ms: number): { readonly timeout: number } {
  return { timeout: atOurPace(ms) };
}
