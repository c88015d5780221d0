import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { noChanges } from "../../src/device/changes.js";
import type { Command } from "../../src/device/command.js";
import { Device } from "../../src/device/device.js";
import { Journal } from "../../src/device/journal.js";
import { parseLedger, programsThatShow } from "../support/scripted-programs.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const OWN = "gHQplz3bESQX7LN5ANzVuYHdpotV2Ak0WONYp5Uac1c=\tSUxp0aVD30Wnla4jSg6O13JRpxWJfnULduMGjI3/9l8=";
const PEER = "GezxCRG7AgGoUcpiIxFMPo1FeAkpQbddG1F8ml0ko2g=";
const LATER = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=";
const line = (key: string): string => `${key}\t(none)\t203.0.113.9:1\t10.0.0.2/32\t0\t0\t0\toff`;

describe("what is changed, on a disk that fills up", () => {
  it("is not done at the start, before anything is changed", async () => {
    const folder = temporaryFolder();
    const stateFolder = join(folder, "state");
    writeFileSync(stateFolder, "no folder can be here");
    const { programs, commands } = programsThatShow(() => `${OWN}\t51820\toff\n${line(PEER)}\n`);
    const opening = Device.open("wg0", { stateFolder, lockFolder: join(folder, "lock"), programs });
    await expect(opening).rejects.toMatchObject({ code: "FILE" });
    expect(changing(commands)).toEqual([]);
  });

  it("is done later all the same, warned of once, written down when there is room, and put back", async () => {
    const folder = temporaryFolder();
    const stateFolder = join(folder, "state");
    let peers = line(PEER);
    const { programs, commands } = programsThatShow(() => `${OWN}\t51820\toff\n${peers}\n`);
    const device = await Device.open("wg0", { stateFolder, lockFolder: join(folder, "lock"), programs });
    const warnings: string[] = [];
    device.on("warning", (message) => warnings.push(message));

    // A peer that the ledger has not, and a ledger that cannot be written.
    peers += `\n${line(LATER).replace("10.0.0.2", "10.0.0.3")}`;
    rmSync(stateFolder, { recursive: true });
    writeFileSync(stateFolder, "no folder can be here");
    const endpoint = { address: "203.0.113.7", family: 4, port: 7 } as const;
    await device.use(LATER, endpoint, { isFresh: false });
    await device.read();
    const [change = "", ...more] = changing(commands);
    expect(change).toContain(`peer ${LATER}`);
    expect(change).toContain("203.0.113.7:7");
    expect(more).toEqual([]);
    expect(warnings).toEqual([expect.stringContaining("make room on the disk")]);
    expect(warnings[0]).toContain("wg0.device");

    rmSync(stateFolder);
    await device.read();
    expect(Object.keys(parseLedger(join(stateFolder, "wg0.device")).peers)).toContain(LATER);

    peers = peers.replace(/203\.0\.113\.9:1(?=\t10\.0\.0\.3)/, "203.0.113.7:7");
    await device.close();
    expect(changing(commands).at(-1)).toContain("203.0.113.9:1");
    expect(warnings).toHaveLength(1);
  });
});

describe("the journal", () => {
  it("takes nothing else for a full disk", async () => {
    const broken = new TypeError("a defect");
    const save = (): Promise<void> => Promise.reject(broken);
    const journal = new Journal({ ledger: { save, remove: save }, onTrouble: () => expect.unreachable() });
    await expect(journal.keep({ hasTable: true })).rejects.toBe(broken);
    expect(journal.changes).toEqual(noChanges(""));
  });
});

/** The lines of those that are no looks. */
function changing(commands: readonly Command[]): string[] {
  return commands.filter(({ args }) => args.includes("set")).map(({ args }) => args.join(" "));
}
