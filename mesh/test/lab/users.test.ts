import { chmodSync, chownSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { start } from "../../lab/process.js";
import { type Finished, tryRun } from "../../lab/run.js";
import { KEY_A } from "../support/fake-mesh.js";
import { withLab } from "../support/needs.js";

const BIN = join(import.meta.dirname, "../../bin/sidewire-mesh.js");
const PROGRAM = join(import.meta.dirname, "../support/control-program.ts");

/** Two users that exist nowhere else. */
const [OWNER, STRANGER] = [64_901, 64_902] as const;

withLab("a daemon that runs as a user of its own", () => {
  it("is asked by that user and by root without sudo, and by nobody else", { timeout: 60_000 }, async () => {
    const folder = mkdtempSync(join(tmpdir(), "sidewire-users-"));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    chmodSync(folder, 0o755);
    chownSync(folder, OWNER, OWNER);
    const env = { ...process.env, HOME: folder, TMPDIR: folder, RUNTIME_DIRECTORY: join(folder, "run") };
    const as = (user: number, ...argv: readonly string[]): string[] => [
      ...["setpriv", `--reuid=${user}`, `--regid=${user}`, "--clear-groups", process.execPath],
      ...argv,
    ];
    const path = join(folder, "run/lo.sock");
    await using daemon = start(as(OWNER, "--import", "tsx", PROGRAM, path), env);
    await daemon.wrote(/listening/);
    expect(statSync(path).uid).toBe(OWNER);

    const address = `/wg/u${Buffer.from(KEY_A, "base64").toString("base64url")}`;
    const verify = async (user: number): Promise<Finished> =>
      await tryRun(as(user, BIN, "multiaddr", "verify", address, "--json"), { env });
    for (const user of [OWNER, 0]) {
      const { code, stdout } = await verify(user);
      expect([code, JSON.parse(stdout)]).toMatchObject([0, { isVerified: true, publicKey: KEY_A }]);
    }
    const refused = await verify(STRANGER);
    expect([refused.code, refused.stdout, JSON.parse(refused.stderr)]).toMatchObject([
      1,
      "",
      { code: "NOT_PERMITTED" },
    ]);
  });
});
