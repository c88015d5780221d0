import { readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { KeyExchange, MAX_KEYS } from "../../src/membership/key-exchange.js";
import { KeyFile } from "../../src/membership/key-file.js";
import { Place } from "../../src/membership/place.js";
import { RosterFile } from "../../src/membership/roster-file.js";
import {
  isRotateMessage,
  provesBoth,
  ROTATE_ANSWERS,
  readRotateMessage,
  writeRotateAnswer,
  writeRotateRequest,
} from "../../src/membership/rotate-message.js";
import { isSyncMessage } from "../../src/membership/sync-message.js";
import { viewOf } from "../../src/roster/view.js";
import { formatKey, publicKeyOf } from "../../src/wireguard-key.js";
import { bytesOf, foundedBy, promote, signerOf } from "../support/roster.js";
import { temporaryFolder } from "../support/temporary-folder.js";

/** WireGuard keys of hosts that have private ones, unlike those of rosters alone. */
const privateOf = bytesOf;
const publicOf = (name: string): Uint8Array => publicKeyOf(privateOf(name));
const nameOf = (name: string): string => formatKey(publicOf(name));

describe("a request for a new key", () => {
  const network = bytesOf("network").subarray(0, 16);
  const exchange = { network, before: publicOf("web"), next: publicOf("next"), admin: publicOf("ann") };
  const request = writeRotateRequest(exchange, privateOf("next"), signerOf("web"));
  const signer = signerOf("web").publicKey;

  it("proves the new key and the member's signing key to the one admin that is asked", () => {
    expect(readRotateMessage(request)).toEqual({ type: "request", network, next: exchange.next });
    expect(provesBoth(exchange, request, privateOf("ann"), signer)).toBe(true);
    expect([isRotateMessage(request), isSyncMessage(request)]).toEqual([true, false]);
    expect(provesBoth({ ...exchange, admin: publicOf("ben") }, request, privateOf("ben"), signer)).toBe(
      false,
    );
  });

  it("proves nothing by whoever has one of the keys alone", () => {
    const signedByOther = writeRotateRequest(exchange, privateOf("next"), signerOf("eve"));
    const withoutNext = writeRotateRequest(exchange, privateOf("eve"), signerOf("web"));
    for (const one of [signedByOther, withoutNext])
      expect(provesBoth(exchange, one, privateOf("ann"), signer)).toBe(false);
    // Nor for another member, another new key, or in another network.
    for (const other of [
      { before: publicOf("db") },
      { next: publicOf("other") },
      { network: bytesOf("other").subarray(0, 16) },
    ])
      expect(provesBoth({ ...exchange, ...other }, request, privateOf("ann"), signer)).toBe(false);
  });

  it("for a key of low order is refused, and does not throw", () => {
    for (const next of [new Uint8Array(32), Uint8Array.of(1, ...new Uint8Array(31))]) {
      const low = Buffer.concat([request.subarray(0, 18), next, request.subarray(50)]);
      expect(provesBoth({ ...exchange, next }, new Uint8Array(low), privateOf("ann"), signer)).toBe(false);
    }
  });

  it("is read from no bytes that were changed, and no answer from others than answers", () => {
    const answer = writeRotateAnswer(exchange, "taken");
    expect(readRotateMessage(answer)).toEqual({
      ...{ type: "answer", network, next: exchange.next, answer: "taken" },
    });
    fc.assert(
      fc.property(fc.nat(request.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const copy = Uint8Array.from(request);
        copy[at] = (copy[at] ?? 0) ^ change;
        const read = readRotateMessage(copy);
        const isBelieved =
          read?.type === "request" &&
          provesBoth({ ...exchange, network: read.network, next: read.next }, copy, privateOf("ann"), signer);
        expect(isBelieved).toBe(false);
        expect(readRotateMessage(request.subarray(0, at))).toBeUndefined();
      }),
      { numRuns: 60 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const read = readRotateMessage(Uint8Array.of(4, 2, ...bytes));
        if (read?.type === "answer") expect(ROTATE_ANSWERS).toContain(read.answer);
      }),
    );
  });
});

describe("an admin that is asked for a new key", () => {
  /** The host of ann, the founder, with the members web and db. */
  async function hostOfAnn(): Promise<{
    readonly exchange: KeyExchange;
    readonly place: Place;
    readonly ask: (
      from: string,
      to: string,
      by?: { readonly signer?: string; readonly holder?: string },
    ) => Promise<string | undefined>;
    readonly say: (kind: "remove" | "remove-admin", name: string) => void;
  }> {
    const file = await RosterFile.open(temporaryFolder(), "wg0");
    Object.assign(file, { key: signerOf("ann") });
    const roster = foundedBy("ann");
    file.roster = roster;
    for (const [i, name] of ["ann-host", "web", "db"].entries()) {
      const signer = signerOf(name === "ann-host" ? "ann" : name).publicKey;
      const address = Uint8Array.of(10, 9, 0, i + 2);
      roster.write(signerOf("ann"), "member", publicOf(name), { name, address, signer }, 1);
    }
    const place = new Place({
      ...{ interface: "wg0", file, brokers: undefined, getTime: () => 1 },
      keys: () => ({ privateKey: privateOf("ann-host"), publicKey: publicOf("ann-host") }),
      addresses: async () => [],
      onWarning: () => {},
    });
    const look = async (): Promise<void> => {
      place.view = viewOf(roster);
    };
    await look();
    const exchange = new KeyExchange(place, look);
    return {
      exchange,
      place,
      ask: async (from, to, { signer = from, holder = to } = {}) => {
        const asked = {
          ...{ network: roster.network, before: publicOf(from), next: publicOf(to) },
          admin: publicOf("ann-host"),
        };
        const request = writeRotateRequest(asked, privateOf(holder), signerOf(signer));
        return await exchange.decide(nameOf(from), publicOf(to), request);
      },
      say: (kind, name) => {
        const subject = kind === "remove" ? publicOf(name) : signerOf(name).publicKey;
        roster.write(signerOf("ann"), kind, subject, kind === "remove" ? {} : { last: 999 }, 1);
        place.view = viewOf(roster);
      },
    };
  }

  it("gives it once, however often it is asked, with name and addresses as they were", async () => {
    const { place, ask } = await hostOfAnn();
    const before = place.view?.members.get(nameOf("web"));
    for (let i = 0; i < 3; i++) expect(await ask("web", "web-2")).toBe("done");
    expect(place.view?.members.get(nameOf("web-2"))).toEqual({ ...before, publicKey: nameOf("web-2") });
    expect(place.means.file.roster?.taken.at(-1)?.statement.counter).toBe(6);
    // A request that is replayed later changes nothing, and is told so.
    expect(await ask("web-2", "web-3", { signer: "web" })).toBe("done");
    expect(await ask("web", "web-2")).toBe("replaced");
    expect([...(place.view?.members.keys() ?? [])]).toContain(nameOf("web-3"));
  });

  it("gives nobody another's key, another's place, or what was not proven", async () => {
    const { place, ask, say } = await hostOfAnn();
    const before = [...(place.view?.members.keys() ?? [])];
    // A thief of the WireGuard key alone; one who asks over the channel of db for web's place; one without the new key.
    expect(await ask("web", "eve", { signer: "eve" })).toBe("unproven");
    expect(await ask("db", "eve", { signer: "web" })).toBe("unproven");
    expect(await ask("web", "eve", { holder: "mallory" })).toBe("unproven");
    for (const taken of ["db", "web", "ann-host"]) expect(await ask("web", taken)).toBe("taken");
    expect(await ask("stranger", "eve")).toBe("no-member");
    expect([...(place.view?.members.keys() ?? [])]).toEqual(before);
    say("remove", "db");
    expect(await ask("db", "db-2")).toBe("removed");
    expect(await ask("web", "db")).toBe("taken");
    await ask("web", "web-2");
    expect(await ask("web-2", "web", { signer: "web" })).toBe("taken");
  });

  it("says so when it is no admin any more, and when a member has had too many keys", async () => {
    const { place, ask, say } = await hostOfAnn();
    let key = "web";
    for (let i = 1; i < MAX_KEYS; i++) {
      expect(await ask(key, `web-${i}`, { signer: "web" })).toBe("done");
      key = `web-${i}`;
    }
    expect(await ask(key, "one-more", { signer: "web" })).toBe("too-many");
    const { roster } = place.means.file;
    if (roster !== undefined) promote(roster, "ann", "db");
    say("remove-admin", "ann");
    expect(await ask("db", "db-2")).toBe("no-admin");
  });

  it("gives itself a new one", async () => {
    const { exchange, place } = await hostOfAnn();
    for (let i = 0; i < 2; i++) await exchange.replaceOwn(publicOf("new"));
    expect(place.ownKey).toBe(nameOf("new"));
    expect(place.view?.members.get(nameOf("new"))).toMatchObject({ name: "ann-host", isAdmin: true });
    expect(place.means.file.roster?.taken.at(-1)?.statement.counter).toBe(6);
  });
});

describe("a key file", () => {
  it("keeps the key and the next one, each for its owner alone", async () => {
    const folder = temporaryFolder();
    const file = new KeyFile(folder, "wg0");
    expect(await file.read()).toBeUndefined();
    const first = await file.readOrMake();
    const next = await file.readOrMakeNext();
    expect([await file.readOrMake(), await file.readOrMakeNext()]).toEqual([first, next]);
    for (const name of readdirSync(folder)) expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600);
    await file.put(next);
    expect([await file.read(), await file.readNext()]).toEqual([next, next]);
    await file.endNext();
    expect([await file.read(), await file.readNext()]).toEqual([next, undefined]);
    await file.endNext();
  });

  it("that is damaged is named, and its text is not shown", async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "wg0.key.next"), "not a key\n");
    const error = await new KeyFile(folder, "wg0").readNext().catch((one: unknown) => String(one));
    expect(error).toMatch(/wg0\.key\.next: 44 characters/);
    expect(error).not.toContain("not a key");
  });
});
