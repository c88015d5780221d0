import { once } from "node:events";
import { readFileSync } from "node:fs";
import { setPriority } from "node:os";
import { onTestFinished } from "vitest";
import { type Forking, forkProgram } from "../support/forked.js";
import type { HostileOrder, HostilePorts } from "./hostile-broker.js";

const pem = (name: string): string =>
  readFileSync(new URL(`../support/tls/${name}`, import.meta.url), "utf8");
/** Who signed the brokers' certificate: itself. It is for ten addresses. */
export const ca: string = pem("ten-hosts.pem");
export const tls: HostileOrder["tls"] = { cert: ca, key: pem("server.key") };

/** Hostile brokers in a process of their own. */
export interface Hostile {
  /** One for each attack. */
  readonly ports: readonly number[];
  /** Holds them all up, until {@link resume}. */
  stop(): void;
  resume(): void;
}

/** Starts hostile brokers in a process of their own, which ends with the test, say. */
export async function startHostile(
  transport: HostileOrder["transport"],
  attacks: readonly string[],
  atTheEnd: NonNullable<Forking["atTheEnd"]> = onTestFinished,
): Promise<Hostile> {
  const child = await forkProgram(new URL("./hostile-broker.ts", import.meta.url), { atTheEnd });
  // They stand for machines elsewhere, which take little time of this one; but they have to come to their turn.
  setPriority(child.pid ?? 0, 5);
  child.send({ transport, tls, attacks } satisfies HostileOrder);
  const [answer] = await once(child, "message");
  // The file sends nothing else.
  const { ports } = answer as HostilePorts;
  return { ports, stop: () => void child.kill("SIGSTOP"), resume: () => void child.kill("SIGCONT") };
}
