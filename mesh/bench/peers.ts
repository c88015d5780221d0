import { generateKeyPairSync } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Row, reported } from "../../bench/report.js";
import { makeKeys, startLab } from "../lab/index.js";

const SCRIPT = join(import.meta.dirname, "peers.mjs");

const FEW = 10;
const MANY = 200;

/** How long a mesh has to try all its peers before its memory is looked at, ms. */
const WAIT_MS = 12_000;

/** What each peer more takes of memory, from the 11th to the 200th. None of them is really there. */
export async function peersRows(): Promise<Row[]> {
  const row = (what: string, bytes: number): Row => ({
    ...reported(`memory for each peer more, ${FEW} to ${MANY}: ${what}`, `${(bytes / 1000).toFixed(1)} kB`),
    bar: "≤ 50 kB",
    met: bytes <= 50_000,
  });
  return [
    row("never heard of", await bytesEach(false)),
    row("six candidates of each are remembered and tried, none answers", await bytesEach(true)),
  ];
}

async function bytesEach(isRemembered: boolean): Promise<number> {
  await using lab = await startLab({ hosts: { ha: {} }, brokers: 2, stun: true });
  const host = lab.host("ha");
  const keys = Array.from({ length: MANY }, randomKey);
  const peerOf = (key: string, i: number) => ({
    publicKey: key,
    allowedIps: [`10.9.${1 + (i >> 7)}.${i & 127}/32`],
  });
  const { privateKey } = await makeKeys(host.namespace);
  const all = keys.map(peerOf);
  const wireguard = await host.wireguard({ privateKey, address: "10.9.0.1/24", peers: all.slice(0, FEW) });
  const stateFolder = join(lab.folder, "state");
  mkdirSync(stateFolder, { mode: 0o700 });
  if (isRemembered)
    writeFileSync(join(stateFolder, `${wireguard.interface}.json`), remembered(keys), { mode: 0o600 });
  const options = {
    interface: wireguard.interface,
    stun: lab.stun,
    stateFolder,
    brokers: readFileSync(lab.brokersFile, "utf8"),
    waitMs: WAIT_MS,
  };
  await using mesh = host.spawn([process.execPath, "--expose-gc", SCRIPT, JSON.stringify(options)]);
  const measure = async (count: number, line: number): Promise<number> => {
    mesh.write(`${count}\n`);
    const [, said = "{}"] = await mesh.wrote(
      new RegExp(`(?:\\{"bytes".*\\}[\\s\\S]*){${line - 1}}(\\{"bytes".*\\})\\n`),
      60_000,
    );
    return JSON.parse(said).bytes;
  };
  const few = await measure(FEW, 1);
  const words = all
    .slice(FEW)
    .flatMap(({ publicKey, allowedIps }) => ["peer", publicKey, "allowed-ips", `${allowedIps}`]);
  await wireguard.set(...words);
  return ((await measure(MANY, 2)) - few) / (MANY - FEW);
}

function randomKey(): string {
  const { x = "" } = generateKeyPairSync("x25519").publicKey.export({ format: "jwk" });
  return Buffer.from(x, "base64url").toString("base64");
}

/** A state file with candidates of all peers, at addresses where nobody is. */
function remembered(keys: readonly string[]): string {
  const seenAt = Date.now();
  const candidates = (i: number): object[] =>
    Array.from({ length: 6 }, (_, j) => ({
      kind: "reflexive",
      endpoint: `203.0.113.${100 + (i % 100)}:${2000 + j}`,
      seenAt,
    }));
  const peers = keys.map((key, i) => [key, { boot: "1", counter: 1, candidates: candidates(i) }]);
  return JSON.stringify({ version: 1, boot: "1", peers: Object.fromEntries(peers) });
}
