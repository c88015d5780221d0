import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { instanceText, unitText } from "../../src/cli/unit-file.js";
import { runtimeFolder } from "../../src/control/socket-path.js";

const EXAMPLES = join(import.meta.dirname, "../../examples");
const COMMAND = ["/usr/local/bin/sidewire-mesh"];

/** A unit without the remark at its beginning. */
function unit(text: string): string {
  return text.slice(text.indexOf("[Unit]"));
}

/** The words of a setting. */
function words(setting: string): string[] {
  const [, value = ""] = new RegExp(`^${setting}=(.*)$`, "m").exec(unitText({ command: COMMAND })) ?? [];
  return value.split(" ");
}

describe("the systemd unit", () => {
  it("is in the examples as service install writes it", () => {
    const text = readFileSync(join(EXAMPLES, "sidewire-mesh@.service"), "utf8");
    expect(unit(text)).toBe(unit(unitText({ command: COMMAND })));
    expect(text).toMatch(/^ExecStart=\S+\/sidewire-mesh up %i --state \$\{STATE_DIRECTORY\}$/m);
  });

  it("is there with what wg-quick's interface needs", () => {
    const options = { command: COMMAND, config: undefined, isOfWgQuick: true };
    expect(unit(readFileSync(join(EXAMPLES, "wg-quick.conf"), "utf8"))).toBe(
      unit(instanceText("wg0", options) ?? ""),
    );
  });

  it("allows what the daemon does: the network, ports below 1024, files of other users", () => {
    expect(words("CapabilityBoundingSet").toSorted()).toEqual([
      "CAP_DAC_READ_SEARCH",
      "CAP_NET_ADMIN",
      "CAP_NET_BIND_SERVICE",
    ]);
    // Another user must not read everybody's files.
    expect(words("AmbientCapabilities").toSorted()).toEqual(["CAP_NET_ADMIN", "CAP_NET_BIND_SERVICE"]);
  });

  it("has a folder for wireguard-go, and finds the daemon's own sockets", () => {
    const folders = words("RuntimeDirectory").map((name) => `/run/${name}`);
    expect(folders).toContain("/run/wireguard");
    expect(runtimeFolder({ RUNTIME_DIRECTORY: folders.join(":") })).toBe(runtimeFolder({}));
  });

  it("leaves wireguard-go alone when the daemon crashes, and waits for hooks at its end", () => {
    expect(words("KillMode")).toEqual(["process"]);
    // A hook may take 30 s.
    expect(Number(words("TimeoutStopSec")[0])).toBeGreaterThan(30);
  });
});
