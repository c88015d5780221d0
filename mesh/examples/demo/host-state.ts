import type { Host } from "../../lab/index.js";

/** All of a host that a daemon may change, in lines whose order says nothing: a route that came back is the last. */
export async function stateOf(host: Host): Promise<string> {
  const commands = [
    "ip -o addr",
    "ip route show table all",
    "ip -6 route show table all",
    "nft list ruleset",
  ];
  const texts = await Promise.all(commands.map(async (command) => await host.run(command.split(" "))));
  // Where there is no such interface, nothing is shown.
  texts.push((await host.tryRun(["wg", "showconf", host.interface])).stdout);
  // The kernel takes its time to try an address.
  return texts.flatMap((text) => text.replaceAll(" tentative", "").split("\n").sort()).join("\n");
}

/** The lines that only one of two texts has. */
export function difference(one: string, other: string): string {
  const [ones, others] = [one.split("\n"), other.split("\n")];
  const gone = ones.filter((line) => !others.includes(line)).map((line) => `without ${line.trim()}`);
  const come = others.filter((line) => !ones.includes(line)).map((line) => `with ${line.trim()}`);
  return [...gone, ...come].join("; ") || `${others.length} lines instead of ${ones.length}`;
}
