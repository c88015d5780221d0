import { randomBytes } from "node:crypto";
import { library } from "../library.js";
import { openBare, type Place } from "./bare.js";
import { poolOf, untilOpen } from "./peers.js";

/** Between two starts, so that none pays for the end of the one before, ms. */
const REST_MS = 5;

/** A bare client, from its making to the answer to its subscription: how long each, in ms. */
export async function startBare(count: number, place: Place): Promise<number[]> {
  const samples: number[] = [];
  for (let i = 0; i < count; i++) {
    const topic = randomBytes(33).toString("hex");
    const startedAt = performance.now();
    const client = await openBare(place, topic);
    samples.push(performance.now() - startedAt);
    await client.endAsync(true);
    await rest();
  }
  return samples;
}

/**
 * A router, from its making to the first inbound subscription: how long each, in ms.
 * @param warm - whether it finds hints in its store that an earlier run left there
 */
export async function startRouter(
  count: number,
  brokers: readonly Place[],
  warm: boolean,
): Promise<number[]> {
  const samples: number[] = [];
  const pool = poolOf(brokers);
  for (let i = 0; i < count; i++) {
    const keys = library.Keypair.generate();
    const hintStore = new library.MemoryHintStore();
    const make = (): InstanceType<typeof library.Router> =>
      new library.Router(keys, { getTime: Date.now, brokers: pool, families: ["IPv4"], hintStore });
    if (warm) {
      const before = make();
      await before.start();
      await untilOpen(before, brokers.length);
      await before.close();
      await rest();
    }
    const startedAt = performance.now();
    const router = make();
    await router.start();
    samples.push(performance.now() - startedAt);
    await untilOpen(router, brokers.length);
    await router.close();
    await rest();
  }
  return samples;
}

function rest(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, REST_MS));
}
