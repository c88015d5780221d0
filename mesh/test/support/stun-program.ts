// Asks STUN servers, in a namespace of a lab: `stun-program.ts ADDRESS SERVER…` writes a line of JSON of what they say.
// With ADDRESS, it asks from there, too.
import { filteringOf } from "../../src/candidates/filtering.js";
import { StunClient } from "../../src/candidates/stun-client.js";
import { parseEndpoint } from "../../src/ip/endpoint.js";
import { ProbeSockets } from "../../src/probe/probe-sockets.js";

/** What it writes. */
export interface StunLine {
  readonly port: number;
  readonly verdict: string;
  readonly seen: readonly {
    readonly address: string;
    readonly port: number;
    readonly local: string | null;
  }[];
  readonly filtering: string;
}

async function main(local = "", ...servers: readonly string[]): Promise<void> {
  let client: StunClient | undefined;
  await using sockets = await ProbeSockets.open((bytes, remote) => client?.receive(bytes, remote));
  client = new StunClient(servers, sockets);
  await sockets.setLocalAddresses([local]);
  const { verdict, seen } = await client.ask([local]);
  const server = parseEndpoint(servers[0] ?? "");
  const line: StunLine = {
    port: sockets.port,
    verdict,
    seen: seen.map((one) => ({ ...one.seen, local: one.local ?? null })),
    filtering: server === undefined ? "unknown" : await filteringOf(server),
  };
  console.log(`said ${JSON.stringify(line)}`);
}

void main(...process.argv.slice(2));
