import type { Instead, Wish } from "./mapper.js";

/** How often something else is asked for before the gateway counts as one that maps nothing. */
export const MAX_WISHES = 6;

/** Ports below are for programs of the system. */
const FIRST_PORT = 1024;

/**
 * A port outside that nobody wishes for but us, most likely. It is not the one inside: many hosts of a LAN have the same
 * one, and there are gateways that give it to the last who asks.
 * @param random - from 0 up to 1, as `Math.random` has it
 */
export function randomPort(random: number): number {
  return FIRST_PORT + Math.floor(random * (0x1_0000 - FIRST_PORT));
}

/**
 * What is asked for after a no.
 * @returns undefined when nothing else is left to ask for
 */
export function nextWish(wish: Wish, instead: Instead | undefined, random: number): Wish | undefined {
  if (instead === "other-port") return { ...wish, externalPort: randomPort(random) };
  if (instead === "permanent" && !wish.isPermanent) return { ...wish, isPermanent: true };
  if (instead === "same-port" && wish.externalPort !== wish.internalPort)
    return { ...wish, externalPort: wish.internalPort };
  return undefined;
}
