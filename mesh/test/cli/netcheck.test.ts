import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { startBroker } from "../../../test/support/needs.js";
import { objects, run } from "../support/command.js";
import { StunServer } from "../support/stun-server.js";
import { temporaryFolder } from "../support/temporary-folder.js";

function poolFile(pool: object): string {
  const path = join(temporaryFolder(), "brokers.json");
  writeFileSync(path, JSON.stringify(pool));
  return path;
}

async function check(
  stun: readonly string[],
  pool: object,
): Promise<{ code: number | null; findings: Record<string, Record<string, unknown>> }> {
  const { code, out, err } = await run([
    ...["netcheck", "--json", "--no-port-mapping", "--stun", stun.join(","), "--brokers", poolFile(pool)],
  ]);
  expect(err).toBe("");
  return { code, findings: Object.fromEntries(objects(out).map((one) => [String(one.check), one])) };
}

describe("netcheck", () => {
  it("tells what NAT there is, and how long servers and brokers take", async () => {
    await using one = await StunServer.start("127.0.0.2");
    await using two = await StunServer.start("127.0.0.3");
    await using broker = await startBroker();
    const { code, findings } = await check([one.name, two.name], {
      IPv4: { [broker.host]: { port: broker.port } },
    });
    expect(code).toBe(0);
    expect(findings.UDP).toMatchObject({ level: "ok", message: expect.stringContaining(one.name) });
    expect(findings.NAT).toMatchObject({ level: "ok", message: expect.stringContaining("one outside port") });
    expect(findings.filtering).toMatchObject({ message: expect.stringContaining("cannot be told") });
    expect(findings.brokers).toMatchObject({
      level: "ok",
      message: expect.stringMatching(/^1 of 1 connected: 127\.0\.0\.\d+ [\d.]+ ms$/),
    });
  });

  it("advises behind a NAT with a port for each destination", async () => {
    const says = (port: number) => () => ({ address: "198.51.100.7", family: 4 as const, port });
    await using one = await StunServer.start("127.0.0.2", { says: says(1111) });
    await using two = await StunServer.start("127.0.0.3", { says: says(2222) });
    const { findings } = await check([one.name, two.name], { IPv4: {} });
    expect(findings.NAT).toMatchObject({
      level: "warning",
      message: expect.stringContaining("198.51.100.7:1111"),
      advice: expect.stringContaining("forward a UDP port"),
    });
  });

  it("says that UDP is blocked, and that no broker is there", async () => {
    await using silent = await StunServer.start("127.0.0.2", { says: () => undefined });
    const { code, findings } = await check([silent.name], { IPv4: { "127.0.0.1": { port: 1 } } });
    expect(code).toBe(1);
    expect(findings.UDP).toMatchObject({
      level: "bad",
      message: expect.stringContaining("no UDP gets through"),
    });
    expect(findings.brokers).toMatchObject({ level: "bad", advice: expect.stringContaining("8883") });
    expect(findings.NAT).toBeUndefined();
  });
});
