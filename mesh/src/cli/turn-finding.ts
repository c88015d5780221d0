import { StunServerNames } from "../candidates/stun-servers.js";
import { type Endpoint, formatEndpoint } from "../ip/endpoint.js";
import { allocateAt } from "../turn/reach.js";
import { nameOf, type TurnServer } from "../turn/turn-server.js";
import { bad, type Finding, ok } from "./finding.js";
import { milliseconds } from "./printable.js";

/**
 * Tests whether a server lends an address. The address is returned at once.
 * @param isBehindTunnel - whether packets to an endpoint go through the tunnel. Default: they do not
 */
export async function lookAtTurn(
  server: TurnServer,
  signal: AbortSignal,
  isBehindTunnel: (endpoint: Endpoint) => Promise<boolean> = async () => false,
): Promise<Finding> {
  const startedAt = performance.now();
  try {
    const allocation = await allocateAt(server, {
      ...{ names: new StunServerNames(), isBehindTunnel, signal },
      events: { onData: () => {}, onLost: () => {} },
    });
    const took = milliseconds(performance.now() - startedAt);
    await allocation.close();
    return ok(
      "TURN",
      `${nameOf(server)} lends an address (${formatEndpoint(allocation.relayed)}), in ${took}`,
    );
  } catch (error) {
    signal.throwIfAborted();
    return bad(
      "TURN",
      `${nameOf(server)}: ${error instanceof Error ? error.message : error}`,
      "see that the URL, the username and the password are right, and that UDP gets to the server's port",
    );
  }
}
