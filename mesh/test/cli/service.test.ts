import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const UNIT = join(import.meta.dirname, "../../examples/sidewire-mesh@.service");

describe("the systemd unit", () => {
  it("starts the command as it is", () => {
    const text = readFileSync(UNIT, "utf8");
    expect(text).toMatch(/^ExecStart=\S+\/sidewire-mesh up %i --state \$\{STATE_DIRECTORY\}$/m);
    for (const line of ["Type=notify", "NotifyAccess=all", "AmbientCapabilities=CAP_NET_ADMIN"])
      expect(text).toContain(`\n${line}\n`);
  });
});
