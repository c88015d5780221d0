import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import * as z from "zod/mini";
import { fieldsOf } from "../../../build/reference/fields.js";
import { REFERENCE, referenceText } from "../../../build/reference/text.js";
import { FILES } from "../../src/cli/facts.js";
import { unitText } from "../../src/cli/unit-file.js";
import { runtimeFolder } from "../../src/control/socket-path.js";
import { LOCK_FOLDER } from "../../src/device/lock.js";
import { DEFAULT_STATE_FOLDER } from "../../src/mesh-options.js";
import { HOSTS_FILE } from "../../src/names/names.js";

describe("the reference", () => {
  const text = referenceText();

  it("is what the grammar and the schema make", () => {
    const isCurrent = readFileSync(REFERENCE, "utf8") === text;
    expect(isCurrent, "mesh/docs/reference.md is stale. This command writes it anew: npm run reference").toBe(
      true,
    );
  });

  it("has commands, options, fields, variables and files", () => {
    expect(text).toContain("\n### service install\n");
    expect(text).toContain(
      "\n| `--listen-port <port>` | with --create: the port of WireGuard | a free one |\n",
    );
    expect(text).toContain("\n| `peers[].allowedIps` | list of texts, at most 256 | none |");
    expect(text).toContain("\n| `SIGHUP` |");
    expect(text).toContain("\n| `SIDEWIRE_MESH_PEER` |");
    expect(text).toContain("\n| `/run/sidewire-mesh/IF.sock` | 0600 |");
  });

  it("has files where the code has them", () => {
    const cache = /^CacheDirectory=(.*)$/m.exec(unitText({ command: ["sidewire-mesh"] }))?.[1];
    const folders = [
      ...[`${DEFAULT_STATE_FOLDER}/`, `${runtimeFolder({})}/`, `${LOCK_FOLDER}/`, HOSTS_FILE],
      `/var/cache/${cache}/`,
    ];
    for (const folder of folders) expect(FILES.some(({ path }) => path.startsWith(folder))).toBe(true);
    const others = FILES.filter(({ path }) => !folders.some((folder) => path.startsWith(folder)));
    expect(others.map(({ path }) => path).filter((path) => !path.startsWith("/etc/systemd/system/"))).toEqual(
      [],
    );
  });

  it("cannot be made from a field without a meaning", () => {
    expect(() => fieldsOf(z.strictObject({ port: z.optional(z.int()) }))).toThrow("port has no meaning");
  });
});
