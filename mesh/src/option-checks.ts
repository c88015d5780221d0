import { DEFAULT_STUN } from "./candidates/default-stun.js";
import { parseStunServers } from "./candidates/stun-servers.js";
import { MeshError } from "./errors.js";
import type { MeshOptions } from "./mesh-options.js";
import { parseTurnServers } from "./turn/turn-server.js";

/** The options that are checked before anything is changed. */
export type CheckedOptions = Pick<MeshOptions, "stun" | "turn" | "relay" | "lazy">;

/** @throws {@link MeshError} `INVALID_OPTION` */
export function checkOptions({
  stun = DEFAULT_STUN,
  turn = [],
  relay = false,
  lazy = false,
}: CheckedOptions): void {
  parseStunServers(stun);
  parseTurnServers(turn);
  if (relay && lazy)
    throw new MeshError(
      "INVALID_OPTION",
      "lazy: a relay has to be there before anybody knows that it is needed, so it cannot be lazy",
    );
}
