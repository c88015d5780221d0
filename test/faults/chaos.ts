import type { Router } from "../../src/index.js";
import type { BrokerProcess } from "../support/broker-process.js";
import { pause } from "./ledger.js";

/** What was done to brokers. */
export interface Chaos {
  readonly killed: number;
  readonly frozen: number;
  readonly restarted: number;
  /** Times when a fault was due and no broker could be spared. */
  readonly spared: number;
}

export interface ChaosOptions {
  readonly brokers: readonly BrokerProcess[];
  readonly peers: readonly Router[];
  readonly random: () => number;
  readonly forMs: number;
  /** Whether there is always one broker that works and that every peer is connected to. */
  readonly spareOne: boolean;
}

/** The longest that a broker is frozen or down: longer than the keep-alive takes to notice. */
const LONGEST_FAULT_MS = 20_000;

/** Kills, freezes and restarts brokers at random; at the end all of them work. */
export async function unleash({ brokers, peers, random, forMs, spareOne }: ChaosOptions): Promise<Chaos> {
  const faulty = new Set<BrokerProcess>();
  const running: Promise<void>[] = [];
  const until = performance.now() + forMs;
  const stop = new AbortController();
  const done = { killed: 0, frozen: 0, restarted: 0, spared: 0 };

  const works = (broker: BrokerProcess): boolean =>
    !faulty.has(broker) &&
    peers.every((peer) =>
      peer.stats().brokers.some(({ host, state }) => host === broker.host && state === "open"),
    );
  const inflict = async (broker: BrokerProcess, kind: number, forMs: number): Promise<void> => {
    if (kind < 0.4) {
      done.frozen++;
      broker.freeze();
      await pauseUnless(stop.signal, forMs);
      broker.thaw();
    } else if (kind < 0.7) {
      done.killed++;
      await broker.kill();
      await pauseUnless(stop.signal, forMs);
      await broker.restart();
    } else {
      done.restarted++;
      await broker.restart();
    }
    faulty.delete(broker);
  };

  while (performance.now() < until) {
    // Drawn before looking at anything, so that the seed decides as much as it can.
    const [waitMs, which, kind, length] = [100 + 500 * random(), random(), random(), random()];
    await pause(Math.min(waitMs, Math.max(0, until - performance.now())));
    const broker = brokers[Math.floor(which * brokers.length)];
    if (broker === undefined || faulty.has(broker)) continue;
    if (spareOne && !brokers.some((other) => other !== broker && works(other))) {
      done.spared++;
      continue;
    }
    faulty.add(broker);
    // Short faults are more frequent than long ones.
    running.push(inflict(broker, kind, 100 * (LONGEST_FAULT_MS / 100) ** length));
  }
  stop.abort();
  await Promise.all(running);
  return done;
}

function pauseUnless(signal: AbortSignal, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end);
  });
}
