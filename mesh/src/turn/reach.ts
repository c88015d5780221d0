import type { StunServerNames } from "../candidates/stun-servers.js";
import type { Endpoint } from "../ip/endpoint.js";
import { Allocation, type AllocationEvents } from "./allocation.js";
import { refused } from "./refusals.js";
import type { TurnServer } from "./turn-server.js";

/** What is needed to reach a server. */
export interface ReachMeans {
  readonly names: Pick<StunServerNames, "endpointsOf">;
  /** Whether packets of this host to an endpoint go through the tunnel that is to be relayed. */
  readonly isBehindTunnel: (endpoint: Endpoint) => Promise<boolean>;
  readonly events: AllocationEvents;
  readonly signal: AbortSignal;
}

/**
 * Makes an allocation at the first address of a server that gives one.
 * @throws {@link MeshError} `TIMEOUT`, `REFUSED`, with a sentence about the server
 */
export async function allocateAt(server: TurnServer, means: ReachMeans): Promise<Allocation> {
  const { names, events, signal } = means;
  let error: unknown = refused("its name cannot be looked up");
  for (const endpoint of await names.endpointsOf(server, signal)) {
    try {
      return await Allocation.open(endpoint, server.credentials, events, means);
    } catch (failure) {
      error = failure;
    }
  }
  throw error;
}
