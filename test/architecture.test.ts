import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import {
  clocksIn,
  cycles,
  importersOf,
  missing,
  only,
  readSources,
  type Sources,
  upwards,
} from "./support/sources.js";

const SRC = fileURLToPath(new URL("../src/", import.meta.url));

/** Every file, the bottom first, as docs/architecture.md has them: each imports from those before it alone. */
const ORDER: readonly string[] = [
  "base/errors",
  "base/schema",
  "base/emitter",
  "base/wall-clock",
  "base/guarded",
  "base/abort",
  "base/timer",
  "base/staggered",
  "base/alarm",
  "base/patience",
  "base/pending",
  "base/lifecycle",
  "base/bounded-map",
  "base/tiered-map",
  "base/heap",
  "base/tally",
  "base/sweep",
  "base/next-task",
  "platform/transports",
  "platform/platform",
  "platform/private-address",
  "platform/thread-pool",
  "platform/failure-words",
  "platform/look-up",
  "platform/dial",
  "platform/noble",
  "platform/xchacha",
  "platform/openssl",
  "platform/socket",
  "platform/own-addresses",
  "platform/socket-connection",
  "platform/web-socket-url",
  "platform/web-socket-frames",
  "platform/web-socket-connection",
  "platform/node",
  "platform/browser-connection",
  "platform/browser",
  "wire/address-typos",
  "wire/address",
  "wire/identity",
  "wire/packet",
  "wire/broker-pool",
  "wire/ranking",
  "wire/seal",
  "wire/pairwise",
  "brokers/token-bucket",
  "brokers/hints",
  "brokers/mqtt-packets",
  "brokers/line-speed",
  "brokers/size-limit",
  "brokers/guard",
  "brokers/subscriptions",
  "brokers/read-scheduler",
  "brokers/liveness",
  "brokers/backlog",
  "brokers/session-failures",
  "brokers/link",
  "brokers/broker-link",
  "brokers/transport-choice",
  "brokers/sleep-detector",
  "brokers/known-broker",
  "brokers/dialling",
  "brokers/back-off",
  "brokers/link-slot",
  "brokers/connections",
  "brokers/link-set",
  "brokers/inbound-set",
  "node/make-folder",
  "node/file-hint-store",
  "node/time-server",
  "node/ntp-clock",
  "message",
  "options",
  "sending/peer-history",
  "sending/routing-table",
  "sending/plan",
  "sending/outbox",
  "sending/delivery",
  "sending/signing",
  "sending/numbering",
  "sending/turns",
  "sending/publishing-order",
  "sending/packing",
  "sending/message-bytes",
  "sending/pipe-context",
  "sending/transmitter",
  "sending/smart-pipe",
  "sending/pipe-cache",
  "sending/pipes",
  "receiving/waiting-line",
  "receiving/verifier",
  "receiving/replay-window",
  "receiving/inbox",
  "receiving/mailbox",
  "receiving/acks",
  "receiving/opener",
  "receiving/receiver",
  "receiving/inbound-message",
  "events",
  "statistics",
  "reporter",
  "contacts",
  "router",
  "node",
  "libsecp256k1",
  "index",
  "webrtc/signal",
  "webrtc/pairing",
  "webrtc/negotiation",
  "webrtc/life",
  "webrtc/connection",
  "webrtc/open-options",
  "webrtc/peer",
  "webrtc/options",
  "webrtc/carrier",
  "webrtc/switchboard",
  "webrtc/index",
];

/** They keep state and know nothing of each other, nor of the time but what they are told. */
const STATE_KEEPERS: readonly string[] = [
  "receiving/replay-window",
  "receiving/inbox",
  "sending/outbox",
  "sending/peer-history",
  "brokers/hints",
  "brokers/token-bucket",
];

/** They do no I/O and start nothing, so that their tests need neither waiting nor fake timers. */
const TIMELESS: readonly string[] = [
  ...STATE_KEEPERS,
  "base/errors",
  "base/bounded-map",
  "base/tiered-map",
  "base/heap",
  "base/tally",
  "base/sweep",
  "receiving/waiting-line",
  "wire/address-typos",
  "wire/address",
  "wire/identity",
  "wire/packet",
  "wire/broker-pool",
  "wire/ranking",
  "wire/seal",
  "wire/pairwise",
  "webrtc/signal",
];

/** The files in the table of layers of docs/architecture.md, in its order. */
function filesInTable(): string[] {
  const page = readFileSync(new URL("../docs/architecture.md", import.meta.url), "utf8");
  const [, rows = ""] = page.split(/^\| --- .*\n/m);
  let folder = "";
  return [...rows.matchAll(/^\| *(.*?) *\| (`.*?`) \|/gm)].flatMap(([, place = "", files = ""]) => {
    if (place !== "") folder = place.startsWith("`") ? place.replaceAll("`", "") : "";
    return [...files.matchAll(/`(.+?)`/g)].map(([, name = ""]) => folder + name);
  });
}

const all: Sources = readSources(SRC, { "#platform": "platform/node" });

/** The library. */
const sources = only(all, (name) => !name.startsWith("cli/"));

/** The `sidewire` command, which uses the library like anybody else. */
const command = only(all, (name) => name.startsWith("cli/"));

describe("the files of src", () => {
  it("are all in the list, and the list names no others", () => {
    expect([...sources.keys()].toSorted()).toEqual(ORDER.toSorted());
  });

  it("stand in the table of docs/architecture.md in the same order", () => {
    expect(filesInTable()).toEqual(ORDER);
  });

  it("import only from files that exist", () => {
    expect(missing(sources)).toEqual([]);
  });

  it("import downwards only, types included", () => {
    expect(upwards(sources, ORDER)).toEqual([]);
  });

  it("make no cycle, types included", () => {
    expect(cycles(sources)).toEqual([]);
  });

  it("are found with their imports", () => {
    // Against a parser that finds nothing: these are imports of each kind.
    expect(sources.get("index")?.own).toContain("router");
    expect(sources.get("message")?.own).toEqual(["base/errors"]);
    expect(sources.get("wire/identity")?.own).toContain("platform/node");
    expect(sources.get("platform/platform")?.foreign).toContain("node:tls");
    expect(clocksIn(sources.get("base/alarm"))).toContain("performance");
  });
});

describe("the command", () => {
  it("imports of the library its public names alone, and how a folder is made", () => {
    const { own = [], foreign = [] } = command.get("cli/peer") ?? {};
    expect(own).toContain("cli/files");
    expect(foreign).toContain("sidewire/node");
    expect(missing(command)).toEqual([
      "cli/contacts -> node/make-folder",
      "cli/key-file -> node/make-folder",
    ]);
  });

  it("is imported by nothing in the library", () => {
    const importers = [...sources].filter(([, { own }]) => own.some((other) => other.startsWith("cli/")));
    expect(importers).toEqual([]);
  });

  it("makes no cycle, types included", () => {
    expect(cycles(command)).toEqual([]);
  });

  it("loads what only one of its parts needs with that part", () => {
    const users = (foreign: string): string[] =>
      [...command].filter(([, source]) => source.foreign.includes(foreign)).map(([name]) => name);
    expect(users("aedes")).toEqual(["cli/embedded-broker"]);
    expect(users("commander").toSorted()).toEqual(["cli/ending", "cli/grammar", "cli/program"]);
  });
});

describe("what both commands make of their grammar", () => {
  const grammar = readSources(fileURLToPath(new URL("../grammar/", import.meta.url)));

  it("uses the argument library alone, and nothing of either package", () => {
    expect(grammar.size).toBeGreaterThan(5);
    expect(new Set([...grammar.values()].flatMap(({ foreign }) => foreign))).toEqual(new Set(["commander"]));
    expect(importersOf(grammar, "commander")).toEqual(["described-command"]);
  });

  it("makes no cycle, types included", () => {
    expect(missing(grammar)).toEqual([]);
    expect(cycles(grammar)).toEqual([]);
  });

  it("is imported by the command, and by nothing in the library", () => {
    expect(importersOf(command, "/grammar").length).toBeGreaterThan(0);
    expect(importersOf(sources, "/grammar")).toEqual([]);
  });
});

describe("one file alone", () => {
  it("knows the bundled pool: broker-pool", () => {
    expect(importersOf(sources, "/brokers.json")).toEqual(["wire/broker-pool"]);
  });
});

describe("no file", () => {
  it.each(["mqtt", "mqtt-packet", "ws"])(
    "knows %s: what comes from a broker is read by the guard alone",
    (foreign) => {
      expect(importersOf(sources, foreign)).toEqual([]);
    },
  );
});

describe("Node's own modules", () => {
  const users = [...sources]
    .filter(([, { foreign }]) => foreign.some((name) => name.startsWith("node:")))
    .map(([name]) => name);

  it("are used by the platform's files alone", () => {
    expect(users).toContain("platform/node");
    expect(users.filter((name) => !/^(platform|node)\//.test(name))).toEqual([]);
  });

  it("are not reached in a browser, but for a type of the platform's", () => {
    const reached = new Set<string>();
    const walk = (name: string): void => {
      const file = name === "platform/node" ? "platform/browser" : name;
      if (reached.has(file)) return;
      reached.add(file);
      for (const next of sources.get(file)?.own ?? []) walk(next);
    };
    walk("index");
    expect(reached).toContain("platform/browser");
    expect(users.filter((name) => reached.has(name))).toEqual(["platform/platform"]);
  });
});

describe("the state keepers", () => {
  it.each(STATE_KEEPERS)("%s knows none of the others", (name) => {
    const { own = [] } = sources.get(name) ?? {};
    expect(own.filter((other) => STATE_KEEPERS.includes(other))).toEqual([]);
  });
});

describe("time", () => {
  it.each(TIMELESS)("comes into %s as an argument", (name) => {
    expect(sources.get(name)?.identifiers.size).toBeGreaterThan(0);
    expect(clocksIn(sources.get(name))).toEqual([]);
  });
});
