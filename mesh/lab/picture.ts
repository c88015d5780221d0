import { INTERNET, type LabDescription, type NatOptions } from "./description.js";
import type { Lab } from "./lab.js";

/** A lab as a tree of text: the middle, NAT boxes in it, hosts in those. */
export function picture(description: LabDescription, lab: Lab): string {
  const { nats = {}, hosts } = description;
  const below = (parent: string): Item[] => [
    ...Object.entries(nats)
      .filter(([, { behind = INTERNET }]) => behind === parent)
      .map(([name, options]) => ({ text: natText(name, options, lab), items: below(name) })),
    ...Object.entries(hosts).flatMap(([name, { behind = INTERNET, down = [] }]) =>
      [behind].flat().flatMap((other, i) => {
        if (other !== parent) return [];
        const device = `eth${i}`;
        const addresses = lab.host(name).addresses(device).join(", ");
        const state = down.includes(device) ? ", down" : "";
        return [{ text: `${name} (host) ${device} ${addresses}${state}`, items: [] }];
      }),
    ),
  ];
  const servers = [
    ...lab.brokers.map(({ address, port }) => `MQTT ${Object.values(address).join(", ")}, port ${port}`),
    ...(lab.stun.length > 0 ? [`STUN ${lab.stun.join(", ")}`] : []),
  ].map((text) => ({ text, items: [] }));
  return ["the internet", ...draw([...servers, ...below(INTERNET)])].join("\n");
}

interface Item {
  readonly text: string;
  readonly items: readonly Item[];
}

function natText(name: string, { kind, stray = "drop", hairpin = false }: NatOptions, lab: Lab): string {
  const { outside } = lab.nat(name);
  const addresses = outside.length > 0 ? ` ${outside.join(", ")}` : "";
  return `${name} (${kind}, strays: ${stray}${hairpin ? ", hairpin" : ""})${addresses}`;
}

function draw(items: readonly Item[]): string[] {
  return items.flatMap(({ text, items: below }, i) => {
    const isLast = i === items.length - 1;
    const rest = draw(below).map((line) => `${isLast ? "   " : "│  "}${line}`);
    return [`${isLast ? "└─ " : "├─ "}${text}`, ...rest];
  });
}
