import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Redactor } from "../../src/cli/redact.js";
import { KEY_A, KEY_B } from "../support/fake-mesh.js";

describe("a text for strangers", () => {
  it("has no key, no public address and no name, and can still be followed", () => {
    const redactor = new Redactor(["web", "web-2"]);
    const text = `peer ${KEY_A} (web) at 203.0.113.9:51820, before 203.0.113.9\npeer ${KEY_B} at [2a00:1450::5]:1, web-2`;
    expect(redactor.text(text)).toBe(
      "peer KEY1 (NAME2) at ADDRESS1:51820, before ADDRESS1\npeer KEY2 at [ADDRESS2]:1, NAME1",
    );
    expect(redactor.text(`"${KEY_B}"`)).toBe('"KEY2"');
  });

  it.each([
    "192.168.1.2/24 10.0.0.1 fe80::1%eth0 fd00::7 ::1 127.0.0.1 0.0.0.0/0",
    "02:08:43 wg0: 1.0.20210914 nft 1.0.6 v20.19.4 a:b:c website",
    "12:34:56:78:9a:bc",
  ])("keeps what tells nobody who it is: %s", (text) => {
    expect(new Redactor(["web"]).text(text)).toBe(text);
  });

  it("never has what was to be replaced", () => {
    const address = fc.oneof(
      fc
        .tuple(fc.constantFrom(5, 8, 93, 203), fc.nat(255), fc.nat(255), fc.nat(255))
        .map((all) => all.join(".")),
      fc.nat(0xffff).map((last) => `2a01:4f8::${last.toString(16)}`),
    );
    const key = fc
      .uint8Array({ minLength: 32, maxLength: 32 })
      .map((bytes) => Buffer.from(bytes).toString("base64"));
    const between = fc.constantFrom(" ", "\n", '"', ",", "(", ")", "=", "\t", "[", "]");
    fc.assert(
      fc.property(fc.array(fc.tuple(between, fc.oneof(address, key)), { maxLength: 8 }), (parts) => {
        const shown = new Redactor([]).text(`${parts.map((part) => part.join("")).join("")} `);
        for (const [before, secret] of parts)
          expect([before, secret, shown.includes(secret)]).toEqual([before, secret, false]);
      }),
      { numRuns: 500 },
    );
  });
});
