/** Runs in a page: two sides of a connection, and between them a line that shuffles what they tell each other. */
import { Connection } from "../../src/webrtc/connection.js";
import { Negotiation } from "../../src/webrtc/negotiation.js";
import type { Signal, SignalContent } from "../../src/webrtc/signal.js";

/** How the line is. */
export interface Line {
  readonly seed: number;
  /** How long a signal takes at most, ms; each takes another part of that. */
  readonly delayMs: number;
  /** Whether the signals of one side arrive in the order in which they were sent. */
  readonly inOrder: boolean;
  /** The part of them that arrives a second time, later. */
  readonly twice: number;
}

/** What two sides do. */
export interface Plan extends Line {
  /** Those who call, each within `apartMs`. */
  readonly callers: readonly number[];
  readonly apartMs: number;
  /** The page of this side is loaded again after so long; it calls then. */
  readonly reload?: { readonly side: number; readonly afterMs: number };
  /** This side leaves after so long, and does not come back. */
  readonly leave?: { readonly side: number; readonly afterMs: number };
}

/** How it went. */
export interface Outcome {
  /** From the last call or reload until both had a byte from the other over the channel, ms. */
  readonly tookMs: number;
  /** Why a connection was given up, and other faults. */
  readonly failures: readonly string[];
}

const SDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n";

export type Nonsense =
  | "answers to nothing"
  | "offers of nothing"
  | "offers far ahead"
  | "candidates that are none"
  | "candidates of nothing";

const NONSENSE: Readonly<Record<Nonsense, (i: number) => SignalContent>> = {
  "answers to nothing": (i) => ({ number: i, description: { type: "answer", sdp: SDP } }),
  "offers of nothing": (i) => ({ number: i, description: { type: "offer", sdp: SDP } }),
  "offers far ahead": (i) => ({ number: 2 ** 53 - 1 - i, description: { type: "offer", sdp: SDP } }),
  "candidates that are none": (i) => ({ candidates: [{ candidate: "x".repeat(i % 1000), sdpMid: "0" }] }),
  "candidates of nothing": (i) => ({
    candidates: [{ candidate: `candidate:${i}`, sdpMid: "9", usernameFragment: String(i) }],
  }),
};

declare global {
  interface Window {
    /** Two sides that keep a channel to each other. */
    converse(plan: Plan): Promise<Outcome>;
    /** Two bare connections that both offer at once, and then restart ICE at once, so often. */
    negotiate(line: Line, restarts: number): Promise<Outcome>;
    /** Two bare connections, one of which is closed after so long. */
    breakOff(line: Line, afterMs: number): Promise<void>;
    /** So much of what no browser says, all at once. @returns how many answers came */
    babble(kind: Nonsense, count: number): Promise<number>;
  }
}

const GIVE_UP_MS = 20_000;

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Numbers from 0 to 1 that a seed determines (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** One direction of a line. */
function direction<T>({ delayMs, inOrder, twice }: Line, random: () => number, arrive: (what: T) => void) {
  let before: Promise<unknown> = Promise.resolve();
  return async (what: T): Promise<void> => {
    const ready = Promise.all([sleep(random() * delayMs), inOrder ? before : undefined]);
    before = ready;
    if (random() < twice) void ready.then(() => sleep(random() * delayMs)).then(() => arrive(what));
    await ready;
    // As over a network: what was sent shares nothing with what arrives.
    arrive(structuredClone(what));
  };
}

async function until(isSo: () => boolean): Promise<void> {
  const end = performance.now() + GIVE_UP_MS;
  while (!isSo() && performance.now() < end) await sleep(2);
}

window.converse = async (plan) => {
  const random = randomFrom(plan.seed);
  const failures: string[] = [];
  const sides: Connection[] = [];
  const heard = new Set<number>();
  let loads = 0;
  let left: number | undefined;
  const lines = [0, 1].map((i) => direction<Signal>(plan, random, (signal) => sides[1 - i]?.receive(signal)));
  const load = (side: number): void => {
    sides[side] = new Connection(side === 1, 60_000, {
      make: () => new RTCPeerConnection(),
      prepare: async () => {},
      send: async (signal) => await lines[side]?.(signal),
      onState: (state, why) => {
        // It is told that it is closed when it leaves.
        if (side === left) failures.push(`${side} has left, and is ${state}`);
        else if (state === "waiting") failures.push(`${side} ${state}: ${why}`);
      },
      onSignal: () => {},
      onLife: () => {},
      onChannel: (channel) => {
        const said = String(loads);
        channel.onmessage = ({ data }) => {
          if (data === String(loads)) heard.add(side);
        };
        channel.send(said);
      },
    });
  };
  load(0);
  load(1);
  let since = performance.now();
  const calls = plan.callers.map(async (side) => {
    if (plan.apartMs > 0) await sleep(random() * plan.apartMs);
    sides[side]?.call();
    since = performance.now();
  });
  if (plan.reload !== undefined) {
    const { side, afterMs } = plan.reload;
    await sleep(afterMs);
    sides[side]?.close("left");
    loads++;
    heard.clear();
    failures.length = 0;
    load(side);
    sides[side]?.call();
    since = performance.now();
  }
  if (plan.leave !== undefined) {
    const { side, afterMs } = plan.leave;
    await sleep(afterMs);
    sides[side]?.close("left");
    // What is still under way finds it closed.
    left = side;
  }
  await Promise.all(calls);
  if (plan.leave === undefined) await until(() => heard.size === 2);
  else await sleep(2 * plan.delayMs);
  const tookMs = performance.now() - since;
  for (const side of sides) side.close("over");
  return { tookMs, failures };
};

/** Two bare connections with a channel, and their negotiations, which begin at once. */
function pair(line: Line, failures: string[]) {
  const random = randomFrom(line.seed);
  const negotiations: Negotiation[] = [];
  const lines = [0, 1].map((i) =>
    direction<SignalContent>(line, random, (content) => negotiations[1 - i]?.take(content)),
  );
  const pcs = [0, 1].map(() => new RTCPeerConnection());
  const channels = pcs.map((pc) => pc.createDataChannel("test", { negotiated: true, id: 0 }));
  pcs.forEach((pc, side) => {
    negotiations[side] = new Negotiation(pc, side === 1, {
      send: (content) => void lines[side]?.(content),
      onFailure: (error) => failures.push(`${side}: ${String(error)}`),
    });
  });
  return { pcs, channels };
}

/** The ICE credentials of a description. */
function fragmentOf(description: RTCSessionDescription | null): string | undefined {
  return /^a=ice-ufrag:(.*?)\r?$/m.exec(description?.sdp ?? "")?.[1];
}

window.negotiate = async (line, restarts) => {
  const failures: string[] = [];
  const { pcs, channels } = pair(line, failures);
  const [a, b] = pcs;
  if (a === undefined || b === undefined) throw new Error("there are two");
  const agree = (): boolean =>
    pcs.every(
      ({ signalingState, connectionState }) => signalingState === "stable" && connectionState === "connected",
    ) &&
    fragmentOf(a.localDescription) === fragmentOf(b.remoteDescription) &&
    fragmentOf(b.localDescription) === fragmentOf(a.remoteDescription);
  const talk = async (word: string): Promise<void> => {
    await until(() => channels.every(({ readyState }) => readyState === "open") && agree());
    let heard = 0;
    for (const channel of channels) {
      channel.onmessage = ({ data }) => {
        if (data === word) heard++;
      };
    }
    for (const channel of channels) if (channel.readyState === "open") channel.send(word);
    await until(() => heard === 2);
    if (heard < 2)
      failures.push(`${word}: ${heard} of 2 heard it, ${pcs.map(({ signalingState }) => signalingState)}`);
  };
  let slowest = 0;
  for (let i = 0; i <= restarts; i++) {
    const before = pcs.map(({ localDescription }) => fragmentOf(localDescription));
    const since = performance.now();
    if (i > 0) {
      for (const pc of pcs) pc.restartIce();
      await until(() => pcs.every(({ localDescription }, j) => fragmentOf(localDescription) !== before[j]));
    }
    await talk(`restart ${i}`);
    slowest = Math.max(slowest, performance.now() - since);
  }
  for (const pc of pcs) pc.close();
  return { tookMs: slowest, failures };
};

window.breakOff = async (line, afterMs) => {
  const { pcs } = pair(line, []);
  await sleep(afterMs);
  pcs[0]?.close();
  await sleep(2 * line.delayMs);
  pcs[1]?.close();
};

window.babble = async (kind, count) => {
  const pc = new RTCPeerConnection();
  pc.createDataChannel("test", { negotiated: true, id: 0 });
  let said = 0;
  const negotiation = new Negotiation(pc, true, { send: () => said++, onFailure: () => {} });
  await sleep(20);
  for (let i = 0; i < count; i++) negotiation.take(NONSENSE[kind](i));
  await sleep(300);
  pc.close();
  return said;
};
