import mqtt from "mqtt";
import { AppPacket } from "sidewire";
import type { Losses } from "./breakdown.js";
import { until } from "./conversation.js";
import type { LocalBroker } from "./local-broker.js";
import { paint, say, title } from "./screen.js";
import type { Stage } from "./stage.js";

const REPLAYS = 3;

/** How long Ben may take to answer what was delivered to him. */
const ANSWERS_WITHIN_MS = 4000;

/** What Ben did with packets that came again. */
interface Outcome {
  /** Handed to his application. */
  readonly shown: number;
  /** Recognized. */
  readonly duplicates: number;
}

/**
 * Packets come again: the copies that were stuck in the frozen broker, a message that a stranger has
 * recorded, and that message with one bit changed. Returns what went wrong.
 */
export async function comeAgain(
  stage: Stage,
  { killed, frozen }: Losses,
  signal: AbortSignal,
): Promise<string[]> {
  const { ben } = stage;
  const alive = stage.ofBen.map(({ broker }) => broker).filter((broker) => broker !== killed);
  const awake = alive.filter((broker) => broker !== frozen);
  const [healthy] = awake;
  title("4  The same packets come again", "Ben's application must not see them");

  await quiet(stage, awake, signal);
  const late = await outcomeOf(stage, alive, signal, () => frozen.thaw());
  const lateRefused = late.shown === 0;
  showOutcome(`${frozen.host} thaws, and what was stuck in it arrives`, late, lateRefused);

  const recorded = healthy?.tap.recorded;
  const packet = recorded === undefined ? null : await AppPacket.unpack(recorded);
  if (healthy === undefined || recorded === undefined || packet === null) return ["no message was recorded"];
  const text = new TextDecoder().decode(packet.message);
  const copies = Array.from({ length: REPLAYS }, () => recorded);
  const replayed = await outcomeOf(stage, alive, signal, () => publish(healthy, ben.address, copies));
  const replayRefused = replayed.shown === 0 && replayed.duplicates === REPLAYS;
  showOutcome(`A stranger replays "${text}" ${REPLAYS} times`, replayed, replayRefused);

  const forged = recorded.map((byte, i) => (i === recorded.length - 1 ? byte ^ 1 : byte));
  const forgeries = (): number => ben.stats().dropped["bad-signature"] ?? 0;
  await publish(healthy, ben.address, [forged]);
  await until(() => forgeries() > 0, ben, "dropped", signal);
  showLine("And once more with one bit changed", `${forgeries()} dropped for its signature`, true);

  return [
    ...(lateRefused ? [] : ["late copies were shown again"]),
    ...(replayRefused ? [] : ["the replay was not refused"]),
  ];
}

/** What an action brings about, once Ben has answered every packet that it brought him. */
async function outcomeOf(
  stage: Stage,
  brokers: readonly LocalBroker[],
  signal: AbortSignal,
  action: () => void | Promise<void>,
): Promise<Outcome> {
  const { ben, annSays } = stage;
  const shownBefore = annSays.count().shown;
  const duplicatesBefore = ben.stats().duplicates;
  await action();
  await quiet(stage, brokers, signal);
  return {
    shown: annSays.count().shown - shownBefore,
    duplicates: ben.stats().duplicates - duplicatesBefore,
  };
}

/** Resolves once everything that Ann published has passed these brokers, and Ben has answered it. */
async function quiet(stage: Stage, brokers: readonly LocalBroker[], signal: AbortSignal): Promise<void> {
  const { ann, wire } = stage;
  const isQuiet = (): boolean => {
    const sent = new Map(ann.stats().brokers.map((broker) => [broker.host, broker.sent]));
    return brokers.every(
      ({ host, tap }) => tap.arrived >= (sent.get(host) ?? 0) && tap.answered >= tap.delivered,
    );
  };
  try {
    await until(isQuiet, wire, "passed", AbortSignal.any([signal, AbortSignal.timeout(ANSWERS_WITHIN_MS)]));
  } catch (cause) {
    throw new Error("Ben did not answer every packet that was delivered to him", { cause });
  }
}

/** Publishes as anybody can who knows a broker; resolves when the broker has passed everything on. */
async function publish(broker: LocalBroker, topic: string, payloads: readonly Uint8Array[]): Promise<void> {
  const stranger = await mqtt.connectAsync(`mqtt://${broker.host}:${broker.port}`, { reconnectPeriod: 0 });
  try {
    for (const payload of payloads) await stranger.publishAsync(topic, Buffer.from(payload), { qos: 1 });
  } finally {
    await stranger.endAsync();
  }
}

function showOutcome(what: string, { shown, duplicates }: Outcome, isGood: boolean): void {
  showLine(what, `${duplicates} refused as duplicates, ${shown} shown`, isGood);
}

function showLine(what: string, result: string, isGood: boolean): void {
  say(`  ${what}:`);
  say(`    ${paint(isGood ? "green" : "red", result)}`);
}
