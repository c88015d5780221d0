import { cpSync, mkdtempSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { makeKeys } from "../../lab/index.js";
import { Daemon } from "../support/daemon.js";
import { withLab } from "../support/needs.js";

/** As soon as the report of a clone asks for it. */
const NOTICED_MS = 30_000;

withLab("a host of which there is a copy", (startLab) => {
  it("is told so within 30 s: the first or the second (report 22)", async () => {
    await using lab = await startLab({
      nats: { a: { kind: "port-restricted" }, b: { kind: "port-restricted" } },
      hosts: { ha: { behind: "a" }, hb: { behind: "b" }, copy: {} },
      brokers: 1,
      stun: true,
    });
    const [ha, hb, copy] = [lab.host("ha"), lab.host("hb"), lab.host("copy")];
    const [own, other] = [await makeKeys(ha.namespace), await makeKeys(hb.namespace)];
    const same = {
      privateKey: own.privateKey,
      address: "10.9.0.1/24",
      peers: [{ publicKey: other.publicKey, allowedIps: ["10.9.0.2/32"] }],
    };
    const first = await ha.wireguard(same);
    const peer = await hb.wireguard({
      privateKey: other.privateKey,
      address: "10.9.0.2/24",
      peers: [{ publicKey: own.publicKey, allowedIps: ["10.9.0.1/32"] }],
    });
    const stateFolder = mkdtempSync(join(lab.folder, "state-"));
    const da = Daemon.start(lab, ha, first, { stateFolder });
    const db = Daemon.start(lab, hb, peer);
    await da.until(other.publicKey, ({ state }) => state === "direct");
    await db.until(own.publicKey, ({ state }) => state === "direct");
    await da.stop();
    const copied = mkdtempSync(join(lab.folder, "state-"));
    cpSync(stateFolder, copied, { recursive: true });
    const dc = Daemon.start(lab, copy, await copy.wireguard(same), { stateFolder: copied });
    await dc.until(other.publicKey, ({ state }) => state === "direct");
    const again = Daemon.start(lab, ha, first, { stateFolder });
    const warned = [dc, again].map((daemon) => daemon.process.wrote(/duplicate identity: /, NOTICED_MS));
    await expect(Promise.any(warned)).resolves.toBeDefined();
  });
});
