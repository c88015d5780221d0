import { cell, paint, say } from "../../../examples/demo/screen.js";
import type { Stage } from "./stage.js";

const COLUMN = 26;

/** Draws the network: who is behind which box. */
export function showNetwork({ lab, ann, ben }: Stage): void {
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
  row(`eth0 ${ann.host.address("eth0")}`, `eth1 ${ann.host.address("eth1")}`, `eth0 ${ben.host.address()}`);
  say(paint("bold", `  ${"└────────── ann ──────────┘".padEnd(2 * COLUMN)}   ben`));
  say(`  ${`        ${ann.address}`.padEnd(2 * COLUMN)}  ${ben.address}`);
}

function hostOf(server: string): string {
  return server.replace(/:\d+$/, "");
}
