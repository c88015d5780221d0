/**
 * Runs the package, as it is packed, in every runtime that it is for, and compares the README's table with what it
 * found. `RUNTIMES_WRITE=1` writes the table. With an argument, only what has that in its name runs.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type BrokerPool, Keypair, Router, TRANSPORTS, type Transport } from "../../src/index.js";
import { type EmbeddedBroker, startEmbeddedBroker } from "../support/embedded-broker.js";
import { JOB, othersOf, type Row, type Run, TIME, tableOf } from "./rows.js";
import { installRuntimes, makeScratch } from "./scratch.js";
import { startTimeServer } from "./time-server.js";

const README = join(import.meta.dirname, "../../README.md");
const HEADING = "## Where it runs";
const COLUMNS = ["", "TCP, TLS", "WebSocket", "sealed", ""];
const ALL: readonly Transport[] = ["mqtt", "mqtts", "ws", "wss"];

/** Far more than any of them takes, also on a busy machine. */
const PATIENCE_MS = 90_000;

/** One talk that a run had. */
interface Talk {
  readonly transport: Transport;
  readonly encrypt: boolean;
  readonly error: string | null;
}

const pem = (name: string): string => readFileSync(join(import.meta.dirname, "../support/tls", name), "utf8");
const ca = pem("ca.pem");
const tls = { cert: pem("server.pem"), key: pem("server.key") };

const runtimes = installRuntimes();
const scratch = await makeScratch();
const listening = (host: string): Promise<EmbeddedBroker[]> =>
  Promise.all(ALL.map((transport) => startEmbeddedBroker(host, 0, { transport, tls })));
// One broker behind four ports, and others at an address that their certificate does not name.
const brokers = await listening("127.0.0.1");
for (const broker of brokers) broker.aedes.handle = brokers[0]?.aedes.handle ?? broker.aedes.handle;
const misnamed = await listening("127.0.0.2");
const time = await startTimeServer();
const poolAt = (host: string, at: readonly EmbeddedBroker[]): BrokerPool => ({
  IPv4: { [host]: Object.fromEntries(ALL.map((name, i) => [TRANSPORTS[name].portField, at[i]?.port])) },
});
const pool = poolAt("localhost", brokers);
writeFileSync(join(scratch, "app/pool.json"), JSON.stringify(pool));
const peer = new Router(Keypair.generate(), {
  getTime: Date.now,
  brokers: pool,
  maxMessageBytes: 65_536,
  onMessage: (message) => message.reply(message.data),
});

let failed = 0;
try {
  await peer.start();
  const lines: string[] = [];
  const [, , part = ""] = process.argv;
  for (const row of tableOf(runtimes).filter(({ name }) => name.includes(part))) {
    const talks: Talk[] = [];
    for (const each of row.runs) talks.push(...(await run(row.name, each)));
    lines.push(lineOf(row, talks));
  }
  for (const [name, each] of Object.entries(othersOf(runtimes)))
    if (name.includes(part)) await run(name, each);
  if (part === "") compare(lines);
} finally {
  time.close();
  await peer.close();
  await Promise.all([...brokers, ...misnamed].map((broker) => broker.close()));
  rmSync(scratch, { recursive: true, force: true });
}
process.exitCode = failed === 0 ? 0 : 1;

/** Runs a program, and says how it went. */
async function run(name: string, { command, transports, trusts, env, uid }: Run): Promise<Talk[]> {
  const begun = performance.now();
  const kinds = transports.flatMap((transport) => [false, true].map((encrypt) => ({ transport, encrypt })));
  const refused = transports
    .filter((name) => TRANSPORTS[name].isSecure && trusts !== "nobody")
    .flatMap((transport) => [
      { transport, pool: poolAt("127.0.0.2", misnamed), ...(trusts === "by ca" ? { ca } : {}) },
      ...(trusts === "by ca" ? [{ transport, pool }] : []),
    ]);
  const job = JSON.stringify({
    kinds,
    refused,
    pool,
    peer: peer.address,
    ...(trusts === "by ca" ? { ca } : {}),
  });
  const [program = "", ...args] = command.map((word) =>
    word.replace(JOB, () => job).replace(TIME, time.name),
  );
  const variables = Object.entries(env ?? {}).map(([name, value]) => [name, value.replace(JOB, () => job)]);
  const child = spawn(program, args, {
    cwd: join(scratch, "app"),
    env: env === null ? {} : { ...process.env, NO_COLOR: "1", ...Object.fromEntries(variables) },
    stdio: ["ignore", "pipe", "pipe"],
    ...(uid === undefined ? {} : { uid, gid: uid }),
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  const timer = setTimeout(() => child.kill("SIGKILL"), PATIENCE_MS);
  const [code] = await once(child, "close");
  clearTimeout(timer);
  const [, found = "[]"] = /TALKS (\[.*\])/.exec(output) ?? [];
  // Of talks.cjs.
  const talks = JSON.parse(found) as Talk[];
  const errors = talks.flatMap(({ transport, encrypt, error }) =>
    error === null ? [] : [`${transport}${encrypt ? ", sealed" : ""}: ${error}`],
  );
  if (code !== 0 || talks.length !== kinds.length + refused.length)
    errors.push(`ended with ${code}:\n${output.slice(-3000)}`);
  failed += errors.length;
  const seconds = ((performance.now() - begun) / 1000).toFixed(1);
  console.log(
    `${errors.length === 0 ? "works" : "FAILS"}  ${name}: ${program.split("/").at(-1)}, ${seconds} s`,
  );
  if (errors[0] !== undefined) console.log(`${errors.length} errors; the first: ${errors[0]}`);
  return talks;
}

function lineOf({ name, notes }: Row, talks: readonly Talk[]): string {
  const cell = (...transports: Transport[]): string => {
    const own = talks.filter(({ transport }) => transports.includes(transport));
    return own.length > 0 && own.every(({ error }) => error === null) ? "yes" : "no";
  };
  const sealed = talks.filter(({ encrypt }) => encrypt).every(({ error }) => error === null) ? "yes" : "no";
  return `| ${[name, cell("mqtt", "mqtts"), cell("ws", "wss"), sealed, notes].join(" | ")} |`;
}

/** Compares the README's table with what was found, or writes it. */
function compare(lines: readonly string[]): void {
  const head = [`| ${COLUMNS.join(" | ")} |`, `|${" --- |".repeat(COLUMNS.length)}`];
  const table = [...head, ...lines].join("\n");
  const readme = readFileSync(README, "utf8");
  const [before, section] = readme.split(`${HEADING}\n`);
  if (section === undefined) throw new Error(`the README has no "${HEADING}"`);
  const [written = ""] = /(?:^\|.*\n?)+/m.exec(section) ?? [];
  if (written.trim() === table) return;
  if (process.env.RUNTIMES_WRITE === "1") {
    writeFileSync(README, [before, section.replace(written, `${table}\n`)].join(`${HEADING}\n`));
    return;
  }
  failed++;
  console.log(`FAILS  the README's table. It should be (RUNTIMES_WRITE=1 writes it):\n${table}`);
}
