import { openLink } from "../../src/brokers/broker-link.js";
import { Connections, type ConnectionsOptions } from "../../src/brokers/connections.js";
import type { BrokerLink } from "../../src/brokers/link.js";
import { LinkSet } from "../../src/brokers/link-set.js";
import type { LinkSetOptions } from "../../src/brokers/link-slot.js";
import type { Subscriber } from "../../src/brokers/subscriptions.js";

/** The topic of those that need no other: as long as an address. */
export const TOPIC: string = "02".repeat(33);

/** Connections by plain MQTT, of which nothing is swept. */
export function makeConnections(options: Partial<ConnectionsOptions> = {}): Connections {
  return new Connections({
    openLink,
    transports: ["mqtt"],
    allowInsecure: false,
    familiesAreOne: false,
    nic: {},
    ca: undefined,
    // Beyond what a timer can count.
    idleTimeoutMs: Number.MAX_SAFE_INTEGER,
    wallNow: Date.now,
    ...options,
  });
}

/** An address on them that nothing is done with. */
export function makeLinks(connections: Connections, options: Partial<LinkSetOptions> = {}): LinkSet {
  return new LinkSet(connections, {
    topic: TOPIC,
    maxPayloadBytes: 1000,
    onMessage: () => {},
    onTooLarge: () => {},
    onSilent: () => {},
    onState: () => {},
    ...options,
  });
}

/** Somebody who listens, and does nothing about it. */
export function makeSubscriber(options: Partial<Subscriber> = {}): Subscriber {
  return {
    topic: TOPIC,
    maxPayloadBytes: 1000,
    onMessage: () => {},
    onTooLarge: () => {},
    onAnswer: () => {},
    ...options,
  };
}

/** A session that takes everything and grants every topic at once. */
export function madeUpLink(options: Partial<BrokerLink> = {}): BrokerLink {
  return {
    heardAt: 0,
    isReceiving: () => false,
    publish: () => true,
    subscribe: (subscriber) => subscriber.onAnswer(undefined),
    unsubscribe: () => {},
    check: () => {},
    close: async () => {},
    ...options,
  };
}

/** {@link madeUpLink}, opened for those who are there from the beginning. */
export function openMadeUp(
  subscribers: readonly Subscriber[],
  options: Partial<BrokerLink> = {},
): BrokerLink {
  for (const subscriber of subscribers) subscriber.onAnswer(undefined);
  return madeUpLink(options);
}
