// Asks STUN servers, in a namespace of a lab: `stun-program.ts PORT ADDRESS SERVER…` writes a line of JSON of what they
// say. With ADDRESS, it asks from there, too; with a PORT that is not 0, by the rules that make it WireGuard's.
import { execFileSync } from "node:child_process";
import { filteringOf } from "../../src/candidates/filtering.js";
import { StunClient } from "../../src/candidates/stun-client.js";
import { makeTable } from "../../src/device/nft-table.js";
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

async function main(listenPort = "", local = "", ...servers: readonly string[]): Promise<void> {
  let client: StunClient | undefined;
  await using sockets = await ProbeSockets.open((bytes, remote) => client?.receive(bytes, remote));
  client = new StunClient(servers, sockets);
  if (listenPort !== "0") {
    const helperPort = sockets.port;
    const { program, args, input } = makeTable({
      name: "wg0",
      listenPort: Number(listenPort),
      helperPort,
      fwmark: 0,
    });
    execFileSync(program, [...args], { input: input?.text ?? "" });
  }
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
