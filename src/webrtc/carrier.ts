import { Keypair, type Receipt, type Router, type SmartPipe } from "../index.js";
import { formatSignal, type Signal } from "./signal.js";

/** How long to wait for the acknowledgement of a signal, in ms. */
const TIMEOUT_MS = 3000;

/** Carries signals to peers. The signals are sealed, because they contain the places of the peers. */
export class Carrier {
  readonly #router: Router;
  /** Pipes that were made before there was a signal to send, by address. */
  readonly #prepared = new Map<string, Promise<SmartPipe>>();
  #isWarm = false;

  constructor(router: Router) {
    this.#router = router;
  }

  /**
   * Prepares for sending to an address, and starts the router if necessary. Resolves when a broker is connected.
   * @throws NoBrokerError, SidewireError `CLOSED`
   */
  async prepare(to: string): Promise<void> {
    const prepared = this.#prepared.get(to) ?? this.#open(to);
    this.#prepared.set(to, prepared);
    // After a failure, the next call tries again.
    prepared.catch(() => {
      if (this.#prepared.get(to) === prepared) this.#prepared.delete(to);
    });
    this.#warmUp(to);
    await prepared;
  }

  /**
   * Sends a signal when the router is connected to a broker.
   *
   * Descriptions have numbers of their own, so signals may arrive in any order. Each signal gets its own pipe, so that
   * no signal waits for a lost one.
   * @throws NoAckError, NoBrokerError, SidewireError `CLOSED`
   */
  async send(to: string, signal: Signal): Promise<Receipt> {
    const prepared = this.#prepared.get(to);
    this.#prepared.delete(to);
    const pipe = await (prepared ?? this.#open(to));
    try {
      return await pipe.deliver(formatSignal(signal), { timeoutMs: TIMEOUT_MS });
    } finally {
      pipe.close();
    }
  }

  /** Closes the pipe that was prepared for an address. */
  leave(to: string): void {
    const prepared = this.#prepared.get(to);
    this.#prepared.delete(to);
    prepared?.then(
      (pipe) => pipe.close(),
      () => {},
    );
  }

  async #open(to: string): Promise<SmartPipe> {
    await this.#router.start();
    return await this.#router.pipe(to, { encrypt: true });
  }

  /**
   * The first signature and the first shared secrets of a page take about 100 ms, because tables must be made and the
   * code must be compiled. This work is done while the router connects to brokers.
   */
  #warmUp(to: string): void {
    if (this.#isWarm || typeof document === "undefined") return;
    this.#isWarm = true;
    setTimeout(() => {
      const keys = Keypair.generate();
      keys.sign(keys.publicKey);
      keys.sharedSecret(Uint8Array.from(to.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16)));
    });
  }
}
