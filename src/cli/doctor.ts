import { networkInterfaces } from "node:os";
import { type BrokerPool, type Family, formatAddress, NoBrokerError, SidewireError } from "sidewire";
import { ntpClock } from "sidewire/node";
import { type Check, checkPool } from "./broker-check.js";
import type { Context } from "./context.js";
import { endingOf } from "./ending.js";
import { type ExitCode, Failure, inWords } from "./failure.js";
import { type KeyFile, readKey } from "./key-file.js";
import { noNames, withoutNames } from "./names-check.js";
import { waitOptions, withPeer } from "./peer.js";
import { readPool } from "./pool-file.js";
import { milliseconds, printable, wrapped } from "./printable.js";

/** The result of one check. `bad` means that messages cannot arrive; `warning` means that some may not arrive. */
interface Finding {
  readonly check: string;
  readonly level: "ok" | "warning" | "bad";
  readonly message: string;
  readonly advice?: string;
}

/** Peers drop messages when the clocks differ by more than DROPPED_MS, and report a difference above SKEW_MS; in ms. */
const DROPPED_MS = 120_000;
const SKEW_MS = 30_000;

const NO_RESOLVER: Finding = {
  check: "names",
  level: "bad",
  message: "no name can be looked up, so no broker is found",
  advice: "see whether this machine is online, and its name servers (on Linux: /etc/resolv.conf)",
};

/** Looks for reasons why messages do not arrive. */
export async function doctor(context: Context, { ntp }: { ntp?: readonly string[] }): Promise<ExitCode> {
  const { options, output } = context;
  const whole = await readPool(context);
  let bad = false;
  const tell = async (finding: Finding): Promise<void> => {
    bad ||= finding.level === "bad";
    await output.result(finding, () => paragraph(context, finding));
  };
  const key = await lookAtKey(context);
  const isNameless = await output.waiting("looking up names", () =>
    noNames(whole, context.signal, options.timeout),
  );
  // Without names, every check of a named broker would fail for this one reason.
  const pool = isNameless ? withoutNames(whole) : whole;
  // The clock is checked before any output, because a wrong `--ntp` is an error of usage.
  const clock =
    isNameless && ntp === undefined
      ? undefined
      : await output.waiting("asking for the time", () => lookAtClock(context, ntp));
  await tell(key.finding);
  if (isNameless) await tell(NO_RESOLVER);
  if (clock !== undefined) await tell(clock);
  for (const family of ["IPv4", "IPv6"] as const) await tell(lookAtFamily(family));
  const checks = await output.waiting("checking brokers", (update) =>
    checkPool(pool, {
      signal: context.signal,
      timeout: options.timeout,
      onDone: (done, of) => update(`checking brokers: ${done} of ${of}`),
    }),
  );
  if (!isNameless || checks.length > 0) for (const finding of lookAtBrokers(checks)) await tell(finding);
  if (key.file !== undefined && checks.some(({ ok }) => ok)) {
    const { file } = key;
    await tell(
      await output.waiting("looking for the same key elsewhere", () => lookForTwin(context, file, pool)),
    );
  }
  return bad ? 1 : 0;
}

function paragraph({ output: { paint } }: Context, { check, level, message, advice }: Finding): string {
  const mark = { ok: paint.green("✓"), warning: paint.yellow("!"), bad: paint.red("✗") }[level];
  const columns = process.stdout.columns;
  const [first = "", ...more] = wrapped(`  ${check}: ${printable(message)}`, columns);
  const lines = [`${mark} ${paint.bold(check)}${first.slice(2 + check.length)}`, ...more];
  if (advice === undefined) return lines.join("\n");
  const [todo = "", ...rest] = wrapped(`  → ${printable(advice)}`, columns);
  return [...lines, `  ${paint.dim("→")}${todo.slice(3)}`, ...rest].join("\n");
}

async function lookAtKey(context: Context): Promise<{ finding: Finding; file?: KeyFile }> {
  try {
    const file = await readKey(context);
    return {
      file,
      finding: {
        check: "key",
        level: "ok",
        message: `${formatAddress(file.keys.publicKeyHex)} in ${file.path}`,
      },
    };
  } catch (error) {
    context.signal.throwIfAborted();
    const { code, message } = endingOf(error);
    const advice =
      code === "INVALID_KEY"
        ? { advice: "take the right file with --key, or make a key with sidewire keygen" }
        : {};
    return { finding: { check: "key", level: "bad", message, ...advice } };
  }
}

async function lookAtClock(
  { options, signal }: Context,
  ntp: readonly string[] | undefined,
): Promise<Finding> {
  const check = "clock";
  try {
    using clock = await ntpClock({
      signal,
      ...(ntp === undefined ? {} : { servers: ntp }),
      ...(options.timeout === undefined
        ? {}
        : { timeoutMs: Math.min(Math.max(options.timeout, 10), 60_000) }),
    });
    const { offsetMs, errorBoundMs } = clock;
    const off = Math.abs(offsetMs);
    const size = off < 1000 ? milliseconds(off) : `${(off / 1000).toFixed(1)} s`;
    const message = `${size} ${offsetMs > 0 ? "behind" : "ahead"} (± ${milliseconds(errorBoundMs)})`;
    const advice =
      "set it: switch on time synchronisation (timedatectl set-ntp true, or the system's date settings)";
    if (off > DROPPED_MS)
      return { check, level: "bad", message: `${message}: peers drop what is sent`, advice };
    if (off > SKEW_MS) return { check, level: "warning", message, advice };
    return { check, level: "ok", message };
  } catch (error) {
    if (!(error instanceof SidewireError)) throw error;
    if (error.code === "INVALID_OPTION")
      throw new Failure("USAGE", error.message.replace(/^servers(\[\d+\])?/, "--ntp"));
    if (error.code !== "NO_TIME") throw error;
    return { check, level: "warning", ...withoutTime(error.message) };
  }
}

/** The problem with the time servers in words, with the outcome of each server, and an advice. */
function withoutTime(text: string): { message: string; advice: string } {
  const [, problem = text, servers = ""] = /^(.*?) \((.*)\)$/.exec(text) ?? [];
  const each = servers.split("; ").map((server) => {
    const [name = "", ...reason] = server.split(": ");
    return `${name}: ${inWords(reason.join(": "))}`;
  });
  const advice = /ENOTFOUND|EAI_AGAIN/.test(text)
    ? "see whether names can be looked up at all, or give --ntp a server's address"
    : /no answer/.test(text)
      ? "UDP port 123 may be blocked: name a server inside with --ntp, or compare the clock yourself"
      : "name other servers with --ntp, or compare the clock yourself";
  return { message: `${problem} (${each.join("; ")})`, advice };
}

function lookAtFamily(family: Family): Finding {
  const addresses = addressesOf(family);
  // One family is enough. The brokers' checks show whether the network works.
  const message = addresses.length > 0 ? addresses.join(", ") : "no address besides this machine's own";
  return { check: family, level: "ok", message };
}

function addressesOf(family: Family): string[] {
  return Object.values(networkInterfaces())
    .flatMap((some) => some ?? [])
    .filter((one) => one.family === family && !one.internal && !one.address.startsWith("fe80:"))
    .map(({ address }) => address);
}

/** One finding for each family and transport in the pool. */
function lookAtBrokers(all: readonly Check[]): Finding[] {
  const checks = all.filter(({ skipped }) => !skipped);
  if (!checks.some(({ ok }) => ok)) {
    const [first] = checks;
    const message =
      first === undefined
        ? "the pool has none"
        : `none of ${checks.length} ports can be used: ${reasons(checks)}`;
    const advice =
      first === undefined
        ? "give a pool with --brokers"
        : "check the network, and that a firewall lets MQTT out (ports 1883, 8883) or WebSocket (443, 8084)";
    return [{ check: "brokers", level: "bad", message, advice }];
  }
  const groups = new Map<string, Check[]>();
  for (const check of checks) {
    const name = `${check.family} ${check.transport}`;
    groups.set(name, [...(groups.get(name) ?? []), check]);
  }
  return [...groups].map(([name, group]): Finding => {
    const working = group.filter(({ ok }) => ok);
    const message = `${working.length} of ${group.length} brokers can be used`;
    if (working.length === group.length) return { check: name, level: "ok", message };
    const failed = `${message}; not ${reasons(group)}`;
    const [family] = group.map((check) => check.family);
    const expected = family !== undefined && addressesOf(family).length > 0;
    if (working.length > 0 || !expected) return { check: name, level: "ok", message: failed };
    const advice = name.startsWith("IPv6")
      ? "nothing to do unless peers have IPv6 alone"
      : "a firewall may block it; another way works, so messages arrive";
    return { check: name, level: "warning", message: failed, advice };
  });
}

function reasons(checks: readonly Check[]): string {
  return checks
    .filter(({ ok }) => !ok)
    .map(({ host, port, error = "" }) => `${host}:${port} (${inWords(error)})`)
    .join(", ");
}

/** Probes the own address without answering itself. An answer comes from another process with the same key. */
async function lookForTwin(context: Context, { keys }: KeyFile, brokers: BrokerPool): Promise<Finding> {
  const check = "same key elsewhere";
  return await withPeer(context, { identity: keys, brokers, accept: () => false }, async (router) => {
    try {
      await router.start({ signal: context.signal });
      const { reachable, brokers: found } = await router.probe(router.address, waitOptions(context));
      if (!reachable) return { check, level: "ok", message: "nobody else listens with it" };
      const message = `somebody listens with this key, on ${found.map(({ host }) => host).join(", ")}`;
      const advice =
        "if it is not a sidewire listen or chat of yours, make another key: with one key at two places, each takes messages and the sender cannot tell which";
      return { check, level: "warning", message, advice };
    } catch (error) {
      if (!(error instanceof NoBrokerError)) throw error;
      return { check, level: "warning", message: "could not be looked for: no broker was reached any more" };
    }
  });
}
