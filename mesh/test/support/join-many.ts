/** Joins a network many times at once, from one process. Arguments: the token, how often. */
import { randomBytes } from "node:crypto";
import { join } from "../../src/membership/joining.js";
import { parseToken } from "../../src/membership/token.js";
import { SigningKey } from "../../src/roster/signing-key.js";

const [, , text = "", count = ""] = process.argv;
const token = parseToken(text);
const joins = Array.from({ length: Number(count) }, () =>
  join({
    token,
    privateKey: new Uint8Array(randomBytes(32)),
    key: new SigningKey(),
    name: "newcomer",
    isNameFixed: false,
    brokers: token.brokers,
    getTime: Date.now,
    signal: AbortSignal.timeout(40_000),
    onNote: (note) => console.error(note),
  }),
);
await Promise.all(joins);
