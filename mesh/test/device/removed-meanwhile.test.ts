import { expect, it } from "vitest";
import { noChanges } from "../../src/device/changes.js";
import { type Command, formatCommand } from "../../src/device/command.js";
import { StandingLinkLocals } from "../../src/device/standing-link-locals.js";
import { StandingWithheld } from "../../src/device/standing-withheld.js";
import type { DevicePeer, DeviceState } from "../../src/device/state.js";
import { parsePrefix } from "../../src/ip/prefix.js";
import { formatKey } from "../../src/wireguard-key.js";
import { newHostKeys } from "../support/keys.js";

const own = newHostKeys();
const [GONE, STAYS] = [newHostKeys(), newHostKeys()].map(({ publicKey }) => formatKey(publicKey));
const IP = parsePrefix("10.9.0.2/32");

const state = (...keys: readonly (string | undefined)[]): DeviceState => ({
  ...{ name: "wg0", ...own, listenPort: 1, fwmark: 0 },
  peers: keys.map(
    (publicKey = ""): DevicePeer => ({
      ...{ publicKey, presharedKey: undefined, endpoint: undefined, endpointText: undefined },
      ...{ lastHandshake: undefined, receivedBytes: 0, sentBytes: 0, keepaliveS: 0 },
      allowedIps: IP === undefined ? [] : [IP],
    }),
  ),
});

/** While a change is recorded, the user removes a peer. */
function surroundings(): ConstructorParameters<typeof StandingWithheld>[0] &
  ConstructorParameters<typeof StandingLinkLocals>[0] & { readonly lines: string[] } {
  const lines: string[] = [];
  let now = state(GONE, STAYS);
  const record = async (): Promise<void> => {
    now = state(STAYS);
  };
  return {
    lines,
    reader: { state: async () => now },
    changer: {
      run: async (command: Command) => {
        lines.push(formatCommand(command));
        return "";
      },
    },
    journal: { changes: noChanges("1"), keep: record, write: record },
    onTrouble: () => {},
  };
}

const signal = new AbortController().signal;

it("a peer that is removed while its link-local address is being added does not come back", async () => {
  const means = surroundings();
  const link = {
    ...{ index: 7, name: "wg0", isUp: true, isLoopback: false, mtu: 1420, kind: "wireguard" },
    addresses: [],
  };
  await new StandingLinkLocals(means).begin(link, state(GONE, STAYS), signal);
  expect(means.lines.join("\n")).toContain(`wg set wg0 peer ${STAYS}`);
  expect(means.lines.join("\n")).not.toContain(GONE);
});

it("a peer that is removed while its allowed IPs are being taken does not come back", async () => {
  const means = surroundings();
  const all = new Map([GONE, STAYS].map((key = "") => [key, IP === undefined ? [] : [IP]]));
  await new StandingWithheld(means).set(all, state(GONE, STAYS), signal);
  expect(means.lines.join("\n")).toContain(`peer ${STAYS}`);
  expect(means.lines.join("\n")).not.toContain(GONE);
});
