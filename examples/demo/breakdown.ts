import { setInterval } from "node:timers/promises";
import type { Receipt } from "sidewire";
import { send, until } from "./conversation.js";
import type { LocalBroker } from "./local-broker.js";
import { cell, clip, milliseconds, ordinal, paint, say, title } from "./screen.js";
import { hostsOf, type Stage } from "./stage.js";

/** The stream has three parts, between which a broker fails; four messages leave every 30 ms. */
const PART_MESSAGES = 100;
const MESSAGES_AT_ONCE = 4;
const PAUSE_MS = 30;

/** Which brokers failed. */
export interface Losses {
  readonly killed: LocalBroker;
  readonly frozen: LocalBroker;
}

/**
 * Kills one of Ben's brokers and freezes another in the middle of a stream of messages to him: each
 * time the one that carries it.
 */
export async function loseBrokers(stage: Stage, signal: AbortSignal): Promise<Losses> {
  title(
    "3  Two of Ben's brokers fail",
    `each time the busiest, while Ann sends ${3 * PART_MESSAGES} messages`,
  );
  const columns = `${cell("acknowledged", -14)}${cell("median", -10)}${cell("slowest", -10)}`;
  say(paint("dim", `  ${cell("messages", 9)}${columns}`));

  const first = await sendPart(stage, 1, signal);
  const killed = busiest(stage, first.receipts);
  const replacing = replace(stage, killed, signal);
  const [{ substitute, afterMs }] = await Promise.all([replacing, first.finish()]);
  say(paint("red", `  ✗ ${nameOf(stage, killed)} is killed: its connections break`));
  say(paint("green", `  ✓ ${nameOf(stage, substitute)} takes its place ${milliseconds(afterMs)} later`));

  const second = await sendPart(stage, first.next, signal);
  const frozen = busiest(stage, second.receipts);
  frozen.freeze();
  await second.finish();
  say(paint("red", `  ✗ ${nameOf(stage, frozen)} freezes: it answers nothing any more`));

  await (await sendPart(stage, second.next, signal)).finish();
  return { killed, frozen };
}

/** A part of the stream whose last messages are on their way. */
interface Part {
  /** What was delivered until now. */
  readonly receipts: readonly Receipt[];
  /** The number of the message after it. */
  readonly next: number;
  /** Waits for the rest, and shows how it went. */
  finish(): Promise<void>;
}

async function sendPart({ ann, ben, annSays }: Stage, begin: number, signal: AbortSignal): Promise<Part> {
  // The same pipe each time, so that the messages come in order.
  const pipe = await ann.pipe(ben.address, { useCache: true, signal });
  const receipts: Receipt[] = [];
  const sends: Promise<void>[] = [];
  const sendOne = async (): Promise<void> => {
    const receipt = await send(pipe, annSays, `candidate ${begin + sends.length}`, signal);
    if (receipt !== undefined) receipts.push(receipt);
  };
  for await (const _ of setInterval(PAUSE_MS, undefined, { signal })) {
    for (let i = 0; i < MESSAGES_AT_ONCE; i++) {
      const sent = sendOne();
      // Told by `finish`; when it comes to that no more, something else has failed before.
      sent.catch(() => {});
      sends.push(sent);
    }
    if (sends.length >= PART_MESSAGES) break;
  }
  const next = begin + sends.length;
  const finish = async (): Promise<void> => {
    await Promise.all(sends);
    showPart(`${begin}–${next - 1}`, sends.length, receipts);
  };
  return { receipts, next, finish };
}

/** Kills a broker, and waits until Ben listens on another one instead. */
async function replace(
  { ben, ofBen }: Stage,
  killed: LocalBroker,
  signal: AbortSignal,
): Promise<{ substitute: LocalBroker; afterMs: number }> {
  const before = hostsOf(ben);
  const killedAt = performance.now();
  void killed.kill();
  const substitute = (): LocalBroker | undefined => {
    const host = hostsOf(ben).find((now) => !before.includes(now));
    return ofBen.find(({ broker }) => broker.host === host)?.broker;
  };
  await until(() => substitute() !== undefined, ben, "broker", signal);
  return { substitute: substitute() ?? killed, afterMs: performance.now() - killedAt };
}

/** The one of Ben's brokers by which most messages were acknowledged. */
function busiest({ ben, ofBen }: Stage, receipts: readonly Receipt[]): LocalBroker {
  const listening = hostsOf(ben);
  const [first, ...others] = ofBen.map(({ broker }) => broker).filter(({ host }) => listening.includes(host));
  if (first === undefined) throw new Error("Ben listens nowhere");
  const wins = ({ host }: LocalBroker): number =>
    receipts.filter(({ broker }) => broker.host === host).length;
  return others.reduce((best, broker) => (wins(broker) > wins(best) ? broker : best), first);
}

function nameOf({ ofBen }: Stage, { host }: LocalBroker): string {
  const place = ofBen.findIndex(({ broker }) => broker.host === host) + 1;
  return `${host}, Ben's ${ordinal(place)},`;
}

function showPart(numbers: string, sent: number, receipts: readonly Receipt[]): void {
  const times = receipts.map(({ roundTripMs }) => roundTripMs).sort((a, b) => a - b);
  const [median, slowest] = [times[Math.floor(times.length / 2)], times.at(-1)].map((time) =>
    cell(time === undefined ? "" : milliseconds(time), -10),
  );
  const wins = new Map<string, number>();
  for (const { broker } of receipts) wins.set(broker.host, (wins.get(broker.host) ?? 0) + 1);
  const by = [...wins].sort(([, a], [, b]) => b - a).map(([host, count]) => `${host} ${count}×`);
  const acknowledged = cell(`${receipts.length} of ${sent}`, -14, receipts.length === sent ? "green" : "red");
  say(`  ${cell(numbers, 9)}${acknowledged}${median}${slowest}`);
  say(paint("dim", `     by ${clip(by.join(", "), 8)}`));
}
