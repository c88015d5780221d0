import { type NetworkInterfaceInfo, networkInterfaces } from "node:os";
import { beforeEach, expect, it, vi } from "vitest";
import { isGone, isListed } from "../src/platform/own-addresses.js";

vi.mock("node:os", async (original) => ({
  ...(await original<typeof import("node:os")>()),
  networkInterfaces: vi.fn(),
}));

const look = vi.mocked(networkInterfaces);

let now = 0;

/** From now on the system lists these, and looks of before are old. */
function list(...addresses: readonly string[]): void {
  now += 2000;
  look.mockReturnValue({ eth0: addresses.map((address) => ({ address }) as NetworkInterfaceInfo) });
}

beforeEach(() => void vi.spyOn(performance, "now").mockImplementation(() => now));

it("sees an address that was listed go, and come back", () => {
  list("192.0.2.1", "2001:db8::1");
  expect([isListed("192.0.2.1"), isGone("192.0.2.1")]).toEqual([true, false]);
  list("2001:db8::1");
  expect([isGone("192.0.2.1"), isGone("2001:db8::1")]).toEqual([true, false]);
  list("192.0.2.1");
  expect(isGone("192.0.2.1")).toBe(false);
});

it("says of no address that it is gone where the system does not tell", () => {
  list();
  expect(isGone("192.0.2.1")).toBe(false);
  now += 2000;
  look.mockImplementation(() => {
    throw new Error("EACCES");
  });
  expect([isListed("192.0.2.1"), isGone("192.0.2.1")]).toEqual([false, false]);
});

it("looks once for connections that are opened together, and again for an address that is new", () => {
  list("192.0.2.1");
  look.mockClear();
  for (let i = 0; i < 20; i++) expect(isListed("192.0.2.1")).toBe(true);
  expect(look).toHaveBeenCalledTimes(1);
  look.mockReturnValue({ eth0: [{ address: "192.0.2.2" } as NetworkInterfaceInfo] });
  expect(isListed("192.0.2.2")).toBe(true);
});
