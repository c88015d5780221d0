import { callGuarded } from "../base/guarded.js";
import type { InboundMessage, Router } from "../index.js";
import { Carrier } from "./carrier.js";
import type { AcceptSettings, ConnectSettings } from "./options.js";
import { isCall } from "./pairing.js";
import { Peer } from "./peer.js";
import { parseSignal, type Signal } from "./signal.js";

/** The maximum number of callers that wait for the decision of `from`. */
const MAX_ASKING = 16;
/** How long a call can be answered, in ms. Afterwards the caller has given up, and is called instead. */
const CALL_KEPT_MS = 10_000;
/** The maximum number of signals that are kept of a waiting caller: the call and candidates. */
const MAX_KEPT = 8;
/** The maximum length of a signal in UTF-8. */
const MAX_BYTES = 60 * 1024;

/** The latest call of a caller about whom `from` has not decided yet, and the further signals of this call. */
interface Asking {
  kept: Signal[];
  since: number;
}

interface Acceptor {
  readonly handler: (peer: Peer) => unknown;
  readonly settings: AcceptSettings;
  readonly peers: Set<Peer>;
}

/** Each router has one switchboard, which is made at the first use. */
const switchboards = new WeakMap<Router, Switchboard>();

/** The peers of one router. The switchboard passes signals to the peers, and decides about callers. */
export class Switchboard {
  readonly #router: Router;
  readonly #carrier: Carrier;
  readonly #peers = new Map<string, Peer>();
  readonly #asking = new Map<string, Asking>();
  readonly #acceptors = new Set<Acceptor>();

  static of(router: Router): Switchboard {
    const switchboard = switchboards.get(router) ?? new Switchboard(router);
    switchboards.set(router, switchboard);
    return switchboard;
  }

  private constructor(router: Router) {
    this.#router = router;
    this.#carrier = new Carrier(router);
    void this.#listen();
  }

  /** Returns the peer at an address. The peer is called, unless it has called already. */
  call(address: string, settings: Omit<ConnectSettings, "signal">): Peer {
    const known = this.#peers.get(address);
    if (known !== undefined) return known;
    const peer = this.#make(address, settings);
    this.#answerOrCall(peer, this.#asking.get(address));
    return peer;
  }

  /** @returns a function that stops the answering */
  accept(handler: Acceptor["handler"], settings: AcceptSettings): () => void {
    const acceptor = { handler, settings, peers: new Set<Peer>() };
    this.#acceptors.add(acceptor);
    return () => void this.#acceptors.delete(acceptor);
  }

  /** Handles messages until the router is closed. Then all peers are ended. */
  async #listen(): Promise<void> {
    const recover = (): void => {
      for (const peer of this.#peers.values()) peer.recover();
    };
    // The browser fires `online` when the page is online again.
    globalThis.addEventListener?.("online", recover);
    for await (const message of this.#router.messages()) this.#take(message);
    globalThis.removeEventListener?.("online", recover);
    this.#acceptors.clear();
    for (const peer of this.#peers.values()) void peer.end("the router was closed");
  }

  #take({ from, data, sealed, text }: InboundMessage): void {
    // An unsealed signal would tell the places of the peers to everybody who reads the topic.
    if (!sealed || data.length > MAX_BYTES) return;
    const signal = parseSignal(text());
    if (signal === undefined) return;
    const peer = this.#peers.get(from);
    if (peer !== undefined) peer.receive(signal);
    else if (isCall(signal) || this.#asking.has(from)) this.#keep(from, signal);
  }

  #keep(from: string, signal: Signal): void {
    const asking = this.#asking.get(from);
    const call = asking?.kept[0];
    if (isCall(signal) && (call === undefined || signal.from > call.from)) {
      const latest: Asking = asking ?? { kept: [], since: 0 };
      latest.kept = [signal];
      latest.since = performance.now();
      if (asking !== undefined || this.#acceptors.size === 0 || this.#asking.size >= MAX_ASKING) return;
      this.#asking.set(from, latest);
      void this.#ask(from, latest);
    } else if (signal.from === call?.from && asking !== undefined && asking.kept.length < MAX_KEPT)
      asking.kept.push(signal);
  }

  async #ask(from: string, asking: Asking): Promise<void> {
    for (const acceptor of this.#acceptors) {
      const { settings, peers } = acceptor;
      if (peers.size >= settings.maxPeers) continue;
      const isLetIn = await this.#isLetIn(settings, from);
      // Meanwhile the application may have called the peer, or may have stopped the answering.
      if (this.#peers.has(from)) break;
      if (!isLetIn || !this.#acceptors.has(acceptor) || peers.size >= settings.maxPeers) continue;
      const peer = this.#make(from, settings);
      peers.add(peer);
      void peer.closed.then(() => peers.delete(peer));
      peer.opened.then(
        () => this.#guard(() => acceptor.handler(peer)),
        () => {},
      );
      this.#answerOrCall(peer, asking);
      break;
    }
    this.#asking.delete(from);
  }

  /** Whether `from` returns true. An error counts as no. */
  async #isLetIn({ from }: AcceptSettings, address: string): Promise<boolean> {
    try {
      return (await from(address)) === true;
    } catch (error) {
      this.#failed(error);
      return false;
    }
  }

  #answerOrCall(peer: Peer, asking: Asking | undefined): void {
    if (asking === undefined || performance.now() - asking.since > CALL_KEPT_MS) peer.call();
    else for (const signal of asking.kept) peer.receive(signal);
  }

  #make(address: string, settings: Omit<ConnectSettings, "signal">): Peer {
    const peer = new Peer(this.#router.address, address, settings, {
      prepare: () => this.#carrier.prepare(address),
      send: (signal) => this.#carrier.send(address, signal),
      onClosed: () => {
        if (this.#peers.get(address) !== peer) return;
        this.#peers.delete(address);
        this.#carrier.leave(address);
      },
      onFailed: (error) => this.#failed(error),
    });
    this.#peers.set(address, peer);
    const { onPeer } = settings;
    if (onPeer !== undefined) this.#guard(() => onPeer(peer));
    return peer;
  }

  #guard(call: () => unknown): void {
    void callGuarded(call, (error) => this.#failed(error));
  }

  /** Reports an error of a handler like the router does. */
  #failed(error: unknown): void {
    if (!this.#router.emit("handlerError", { error })) console.error("sidewire: a handler failed:", error);
  }
}
