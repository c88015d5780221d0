import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import { BoundedMap } from "./bounded-map.js";
import type { AppPacket } from "./packet.js";
import type { Verify } from "./platform/platform.js";

/** What a verification came to: whether the signature holds, or that it was refused for lack of room. */
export type Verification = boolean | "busy";

interface Job {
  readonly packet: AppPacket;
  readonly done: (result: Verification) => void;
}

/** How many verifications run at once: the threads that Node has for them. */
const CONCURRENT = 4;

/** How many may wait in all, and of one source. */
const MAX_WAITING = 4096;
const MAX_WAITING_OF_SOURCE = 256;

/** For how many payloads the result is kept: the copies of a message come by several brokers. */
const KEPT_RESULTS = 512;

/**
 * Verifies packets, a few at a time. What waits is bounded, and the sources take turns, so that a
 * flood from one cannot starve another. Equal bytes are verified once.
 */
export class Verifier {
  readonly #verify: Verify;
  readonly #waiting = new Map<string, Job[]>();
  readonly #results = new BoundedMap<string, Promise<Verification>>(KEPT_RESULTS);
  #running = 0;
  #waitingCount = 0;

  constructor(verify: Verify) {
    this.#verify = verify;
  }

  /** Whether the packet's source signed it. */
  verify(packet: AppPacket, payload: Uint8Array): Promise<Verification> {
    const id = bytesToHex(sha256(payload));
    const known = this.#results.get(id);
    if (known !== undefined) return known;
    const result = new Promise<Verification>((done) => this.#enqueue({ packet, done }));
    this.#results.set(id, result);
    // Another copy may come when there is room again.
    void result.then((value) => {
      if (value === "busy") this.#results.delete(id);
    });
    return result;
  }

  #enqueue(job: Job): void {
    const { source } = job.packet;
    const jobs = this.#waiting.get(source) ?? [];
    if (this.#waitingCount >= MAX_WAITING || jobs.length >= MAX_WAITING_OF_SOURCE) {
      job.done("busy");
      return;
    }
    jobs.push(job);
    this.#waitingCount++;
    this.#waiting.set(source, jobs);
    this.#next();
  }

  #next(): void {
    while (this.#running < CONCURRENT) {
      const first = this.#waiting.entries().next().value;
      if (first === undefined) return;
      const [source, jobs] = first;
      const job = jobs.shift();
      // To the end of the map: the other sources come first.
      this.#waiting.delete(source);
      if (jobs.length > 0) this.#waiting.set(source, jobs);
      if (job === undefined) continue;
      this.#waitingCount--;
      this.#running++;
      void this.#run(job);
    }
  }

  async #run({ packet, done }: Job): Promise<void> {
    let valid = false;
    try {
      valid = (await packet.verify(this.#verify)) === true;
    } catch {
      // A caller's own verifier may throw; that is no valid signature.
    }
    this.#running--;
    done(valid);
    this.#next();
  }
}
