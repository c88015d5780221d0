import { cell, paint, say } from "../../../examples/demo/screen.js";
import type { Stage } from "./stage.js";

const COLUMN = 26;

/** Draws the network: who is behind which box. */
export function showNetwork({ lab, alice, bob }: Stage): void {
  const row = (...cells: readonly string[]): void =>
    say(`  ${cells.map((text) => cell(text, COLUMN)).join("")}`.trimEnd());
  const [broker] = lab.brokers.map(({ address }) => address.IPv4);
  const boxes = (["home", "mobile", "office"] as const).map((name) => lab.nat(name));
  const outside = boxes.map((box) => box.outside.join());
  const [home = "", mobile = "", office = ""] = outside;
  say(
    `  ${paint("dim", "the internet:")} MQTT broker ${broker}, STUN servers ${lab.stun.map(hostOf).join(", ")}`,
  );
  row("   │", "   │", "   │");
  row(home, mobile, office);
  row("NAT home", "NAT mobile", "NAT office");
  row("   │", "   │", "   │");
  row(
    `eth0 ${alice.host.address("eth0")}`,
    `eth1 ${alice.host.address("eth1")}`,
    `eth0 ${bob.host.address()}`,
  );
  say(paint("bold", `  ${"└───────── alice ─────────┘".padEnd(2 * COLUMN)}   bob`));
  say(`  ${`        ${alice.address}`.padEnd(2 * COLUMN)}  ${bob.address}`);
}

function hostOf(server: string): string {
  return server.replace(/:\d+$/, "");
}
