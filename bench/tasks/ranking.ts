import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import { getPublicKey, utils } from "@noble/secp256k1";
import type { BrokerPool } from "../../src/index.js";
import { cpuTime } from "../cpu-time.js";
import { library } from "../library.js";

const BROKERS = 1000;

const hosts: readonly string[] = Array.from({ length: BROKERS }, (_, i) => `broker-${i}.mqtt.example.com`);
const pool: BrokerPool = library.parseBrokerPool({
  IPv4: Object.fromEntries(hosts.map((host) => [host, { port: 1883 }])),
});

/** Ranks 1 000 brokers for so many destinations: CPU time of each, in ms. */
export function rank(destinations: number): number[] {
  return newKeys(destinations).map((publicKey) => {
    const address = bytesToHex(publicKey);
    const startedAt = cpuTime();
    const ranking = library.rankBrokers(address, pool);
    const took = cpuTime() - startedAt;
    if (ranking.IPv4.length !== BROKERS) throw new Error("brokers are missing");
    return took;
  });
}

/** Hashes what a ranking hashes, ready made, and does nothing else: CPU time of each, in ms. */
export function hashAlone(destinations: number): number[] {
  return newKeys(destinations).map((publicKey) => {
    const inputs = hosts.map((host) => Buffer.concat([Uint8Array.of(2), publicKey, Buffer.from(host)]));
    const startedAt = cpuTime();
    for (const input of inputs) sha256(input);
    return cpuTime() - startedAt;
  });
}

function newKeys(count: number): Uint8Array[] {
  return Array.from({ length: count }, () => getPublicKey(utils.randomSecretKey(), true));
}
