import { expect, it } from "vitest";
import { withLinkLocal } from "../../src/config/parts.js";
import { formatCommand } from "../../src/device/command.js";
import { addressCommands, withPrivateKey } from "../../src/device/create.js";
import { parsePrefix } from "../../src/ip/prefix.js";
import { linkLocalAddress } from "../../src/overlay/link-local.js";
import { publicKeyOf } from "../../src/wireguard-key.js";
import { bytesOf } from "../support/roster.js";

it("changes with the key the link-local address that follows from it, and nothing else", () => {
  const prefix = parsePrefix("10.9.0.1/24");
  if (prefix === undefined) throw new Error("no prefix");
  const [old, next] = [bytesOf("old"), bytesOf("next")];
  const addresses = [{ address: "10.9.0.1", prefix }];
  const before = withLinkLocal({ privateKey: old, listenPort: 51820, addresses, peers: [] });
  const after = withPrivateKey(before, next);
  expect(after).toEqual(withLinkLocal({ privateKey: next, listenPort: 51820, addresses, peers: [] }));
  const of = (key: Uint8Array): string => linkLocalAddress(publicKeyOf(key));
  expect(addressCommands("wg0", before, after).map(formatCommand)).toEqual([
    `ip addr del ${of(old)}/64 dev wg0`,
    `ip addr replace ${of(next)}/64 dev wg0`,
  ]);
  // An interface without such an address gets none.
  expect(
    addressCommands("wg0", { ...before, addresses }, withPrivateKey({ ...before, addresses }, next)),
  ).toEqual([]);
});
