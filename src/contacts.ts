import type { SmartPipe } from "./sending/smart-pipe.js";
import type { Identity } from "./wire/identity.js";
import { type Pairwise, pairwise } from "./wire/pairwise.js";

/** The part of a router that a contact uses. */
export interface ContactRouter {
  start(): Promise<void>;
  pipe(destination: string): Promise<SmartPipe>;
  close(options?: { signal?: AbortSignal | undefined }): Promise<void>;
}

/** The peers that a router talks to under pairwise addresses. Each peer has a router and a pipe of its own. */
export class Contacts {
  readonly #identity: Identity;
  readonly #routerFor: (pair: Pairwise) => ContactRouter;
  /** The pipes by the peer's own address, like the other maps here. */
  readonly #pipes = new Map<string, Promise<SmartPipe>>();
  readonly #routers = new Map<string, ContactRouter>();
  /** The routers that are closing. Until a router is closed, no other router can have its pairwise address. */
  readonly #leaving = new Map<string, Promise<void>>();

  constructor(identity: Identity, routerFor: (pair: Pairwise) => ContactRouter) {
    this.#identity = identity;
    this.#routerFor = routerFor;
  }

  /** The pipe to a peer. All callers get the same pipe. */
  take(peer: string): Promise<SmartPipe> {
    const pipe = this.#pipes.get(peer) ?? this.#open(peer);
    this.#pipes.set(peer, pipe);
    return pipe;
  }

  async #open(peer: string): Promise<SmartPipe> {
    try {
      await this.#leaving.get(peer);
      const pair = await pairwise(this.#identity, peer);
      const router = this.#routerFor(pair);
      this.#routers.set(peer, router);
      await router.start();
      const pipe = await router.pipe(pair.remoteAddress);
      pipe.onClosed = () => this.#leave(peer);
      return pipe;
    } catch (error) {
      this.#leave(peer);
      throw error;
    }
  }

  #leave(peer: string): void {
    this.#pipes.delete(peer);
    const router = this.#routers.get(peer);
    if (!router) return;
    this.#routers.delete(peer);
    const left = router.close().finally(() => this.#leaving.delete(peer));
    this.#leaving.set(peer, left);
  }

  /** Closes all routers, and does so at once when the signal fires. */
  async close(signal: AbortSignal | undefined): Promise<void> {
    const closing = [...this.#routers.values()].map((router) => router.close({ signal }));
    await Promise.all([...closing, ...this.#leaving.values()]);
  }
}
