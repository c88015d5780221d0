import { pause } from "../cli/interrupt.js";
import { MeshError } from "../errors.js";
import type { MeshInfo } from "../info.js";
import type { MembershipReply, MembershipRequest, NetworkInfo } from "../membership/requests.js";
import { changesBetween } from "./changes.js";
import { type View, viewOf } from "./view.js";

/** The maximum number of events that are kept. */
export const MAX_EVENTS = 200;

/** How often the members are asked for at most, in ms. */
const MEMBERS_EVERY_MS = 2000;

export interface FeedTimes {
  /** How long a daemon may be silent, in ms. It speaks every 2 s. */
  readonly silenceMs: number;
  /** The pause before the daemon is sought again, in ms. */
  readonly retryMs: number;
}

const TIMES: FeedTimes = { silenceMs: 8000, retryMs: 1000 };

/** A daemon that is watched. A client of the control socket implements it. */
export interface Watched {
  readonly interface: string;
  watch(signal?: AbortSignal): AsyncIterable<MeshInfo>;
  membership(request: MembershipRequest, signal?: AbortSignal): Promise<MembershipReply>;
}

/** Something that has happened. */
export interface FeedEvent {
  /** Counts up from 1. */
  readonly id: number;
  /** Unix ms. */
  readonly at: number;
  readonly text: string;
}

/** What the feed tells its listeners. */
export interface FeedState {
  /** The last view; undefined before the first one. */
  readonly view: View | undefined;
  /** When the daemon said so, in Unix ms. */
  readonly at: number;
  /** Why the daemon is not reached; undefined while it is. */
  readonly away: string | undefined;
  /** The latest events, the oldest first. */
  readonly events: readonly FeedEvent[];
}

/** Watches a daemon, also over its restarts, and tells what has happened. */
export class Feed {
  readonly #daemon: Watched;
  readonly #times: FeedTimes;
  readonly #listeners = new Set<() => void>();
  #state: FeedState = { view: undefined, at: 0, away: undefined, events: [] };
  #lastId = 0;
  #network: NetworkInfo | undefined;
  #networkAt = Number.NEGATIVE_INFINITY;

  constructor(daemon: Watched, times: FeedTimes = TIMES) {
    this.#daemon = daemon;
    this.#times = times;
  }

  get state(): FeedState {
    return this.#state;
  }

  /** Calls the listener after each change. @returns what ends that */
  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Asks for the members at the next look, however short the last one was ago. */
  forgetMembers(): void {
    this.#networkAt = Number.NEGATIVE_INFINITY;
  }

  /** Watches until the signal fires. Never throws. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const reason = await this.#watch(signal).catch((error: unknown) =>
        error instanceof MeshError && error.code !== "NO_DAEMON" ? error.message : undefined,
      );
      if (signal.aborted) return;
      this.#goAway(reason);
      await pause(this.#times.retryMs, signal);
    }
  }

  /** Resolves when the daemon has ended, or is silent. */
  async #watch(signal: AbortSignal): Promise<undefined> {
    const silent = new AbortController();
    const either = AbortSignal.any([signal, silent.signal]);
    let timer: NodeJS.Timeout | undefined;
    const wait = (): void => {
      clearTimeout(timer);
      timer = setTimeout(() => silent.abort(), this.#times.silenceMs);
    };
    wait();
    try {
      for await (const info of this.#daemon.watch(either)) {
        wait();
        await this.#askMembers(either);
        this.#take(info);
      }
    } catch (error) {
      if (!silent.signal.aborted) throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  async #askMembers(signal: AbortSignal): Promise<void> {
    const now = performance.now();
    if (now - this.#networkAt < MEMBERS_EVERY_MS) return;
    this.#networkAt = now;
    try {
      const reply = await this.#daemon.membership({ do: "members" }, signal);
      if (reply.did === "members") this.#network = reply.network;
    } catch (error) {
      if (error instanceof MeshError && error.code === "NO_NETWORK") this.#network = undefined;
      else signal.throwIfAborted();
    }
  }

  #take(info: MeshInfo): void {
    const view = viewOf(info, this.#network);
    const { view: before, away } = this.#state;
    const texts = before === undefined ? [] : changesBetween(before, view);
    if (away !== undefined) texts.unshift(`The daemon of ${view.interface} answers again`);
    this.#tell({ view, at: Date.now(), away: undefined }, texts);
  }

  #goAway(reason: string | undefined): void {
    const away = reason ?? `The daemon of ${this.#daemon.interface} does not answer`;
    if (this.#state.away === away) return;
    this.#tell({ ...this.#state, away }, [away]);
  }

  #tell(state: Omit<FeedState, "events">, texts: readonly string[]): void {
    const at = Date.now();
    const fresh = texts.map((text) => ({ id: ++this.#lastId, at, text }));
    this.#state = { ...state, events: [...this.#state.events, ...fresh].slice(-MAX_EVENTS) };
    for (const listener of this.#listeners) listener();
  }
}
