import { Keypair, type Receipt, type Router, type SmartPipe } from "../index.js";
import { formatSignal, type Signal } from "./signal.js";

/** What nobody has acknowledged for so long went nowhere, ms. */
const TIMEOUT_MS = 3000;

/** Carries signals between addresses, sealed: only the destination can read who is where. */
export class Carrier {
  readonly #router: Router;
  /** By address: made before there is something to send. */
  readonly #prepared = new Map<string, Promise<SmartPipe>>();
  #isWarm = false;

  constructor(router: Router) {
    this.#router = router;
  }

  /**
   * Makes ready to send to an address; starts the router if need be. Resolves when a broker is connected.
   * @throws NoBrokerError, SidewireError `CLOSED`
   */
  async prepare(to: string): Promise<void> {
    const prepared = this.#prepared.get(to) ?? this.#open(to);
    this.#prepared.set(to, prepared);
    // One that can't be made is made anew.
    prepared.catch(() => {
      if (this.#prepared.get(to) === prepared) this.#prepared.delete(to);
    });
    this.#warmUp(to);
    await prepared;
  }

  /**
   * Sends a signal, once the router is connected to a broker.
   *
   * Signals are numbered among themselves where that matters. So each has a pipe of its own, and none waits for one
   * that was lost.
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

  /** Lets go of what was prepared. */
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
   * The first signature and the first shared secret of a page take a hundred milliseconds, as tables have to be made
   * and code has to become fast. They are made while the brokers are being connected to.
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
