import type { Mosquitto } from "../mosquitto.js";
import { Process } from "../processes.js";
import { atMost, kiB, type Row, reported } from "../report.js";
import { connect, placeOf } from "./pair.js";

const ROUTERS = 50;
const PIPES = 1000;
const MESSAGES = 3000;
const IN_FLIGHT = 32;
/** What comes before the first look, so that code is compiled and bounded caches are full. */
const FIRST = 3;
const FILL = 1100;

/** Memory per thing: what is in use after many of them less what was in use before, over their number. */
export async function memoryRows(brokers: readonly Mosquitto[], flags: readonly string[]): Promise<Row[]> {
  const measured = async <T>(measure: (process: Process) => Promise<T>): Promise<T> => {
    const process = new Process(["--expose-gc", ...flags]);
    try {
      return await measure(process);
    } finally {
      await process.close();
    }
  };
  const [bare, own, remembered] = await Promise.all([
    measured((process) => bareMemory(process, brokers)),
    measured((process) => ownMemory(process, brokers)),
    measured((receiver) => measured((sender) => rememberedMemory(sender, receiver, brokers.slice(0, 1)))),
  ]);
  return [
    {
      what: "memory per link",
      measured: kiB(own.link),
      against: `bare MQTT.js client: ${kiB(bare)}`,
      ...atMost(1.5, own.link / bare),
    },
    reported("memory per router, not started", kiB(own.router)),
    reported(`memory per pipe, pool of ${brokers.length}`, kiB(own.pipe)),
    reported("memory per 1 000 messages remembered, of one queue", kiB(remembered.inOneQueue)),
    reported("memory per 1 000 messages remembered, a queue each", kiB(remembered.inQueues)),
  ];
}

async function bareMemory(process: Process, brokers: readonly Mosquitto[]): Promise<number> {
  const open = (perBroker: number): Promise<void> =>
    process.call("keepBare", perBroker, brokers.map(placeOf));
  await open(FIRST);
  return await grown(process, () => open(ROUTERS), ROUTERS * brokers.length);
}

async function ownMemory(
  process: Process,
  brokers: readonly Mosquitto[],
): Promise<{ router: number; link: number; pipe: number }> {
  const make = (count: number): Promise<void> => process.call("keepRouters", count, brokers.map(placeOf));
  const start = (): Promise<void> => process.call("startRouters", brokers.length);
  const open = (count: number): Promise<void> => process.call("keepPipes", count);
  await make(FIRST);
  await start();
  await open(FIRST);
  return {
    router: await grown(process, () => make(ROUTERS), ROUTERS),
    link: await grown(process, start, ROUTERS * brokers.length),
    pipe: await grown(process, () => open(PIPES), PIPES),
  };
}

async function rememberedMemory(
  sender: Process,
  receiver: Process,
  brokers: readonly Mosquitto[],
): Promise<{ inOneQueue: number; inQueues: number }> {
  const name = "remembered";
  const to = await connect({ sender, receiver }, name, brokers);
  const inOneQueue = (count: number): Promise<unknown> => sender.call("sendMany", name, count, IN_FLIGHT, 10);
  const inQueues = (count: number): Promise<void> => sender.call("sendInQueues", name, to, count, IN_FLIGHT);
  await inOneQueue(FILL);
  await inQueues(FIRST);
  return {
    inOneQueue: await grown(receiver, () => inOneQueue(MESSAGES), MESSAGES / 1000),
    inQueues: await grown(receiver, () => inQueues(MESSAGES), MESSAGES / 1000),
  };
}

/** How much more memory is in use after something was done so many times, for each time. */
export async function grown(process: Process, grow: () => Promise<unknown>, count: number): Promise<number> {
  const before = await process.call("usedMemory");
  await grow();
  return ((await process.call("usedMemory")) - before) / count;
}
