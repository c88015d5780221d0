import type { Instead, Wish } from "./mapper.js";

/** The maximum number of different requests before the gateway counts as one that maps nothing. */
export const MAX_WISHES = 6;

/** Lower ports are for programs of the system. */
const FIRST_PORT = 1024;

/**
 * A random outside port, which probably nobody else wants. It differs from the inside port: many hosts of a LAN have
 * the same inside port, and some gateways give a port to the last host that asks.
 * @param random - from 0 up to 1, as from `Math.random`
 */
export function randomPort(random: number): number {
  return FIRST_PORT + Math.floor(random * (0x1_0000 - FIRST_PORT));
}

/**
 * The next request after a refusal.
 * @returns undefined when there is nothing else to ask for
 */
export function nextWish(wish: Wish, instead: Instead | undefined, random: number): Wish | undefined {
  if (instead === "other-port") return { ...wish, externalPort: randomPort(random) };
  if (instead === "permanent" && !wish.isPermanent) return { ...wish, isPermanent: true };
  if (instead === "same-port" && wish.externalPort !== wish.internalPort)
    return { ...wish, externalPort: wish.internalPort };
  return undefined;
}
