import type { Socket } from "node:net";
import { type FloodKind, makePayloads } from "./payloads.js";
import { connectWriter, publishOf } from "./wire.js";

/** What a process of this file is told: first what to flood with, then each time to let it go. */
export type FloodOrder =
  | {
      readonly do: "make";
      readonly host: string;
      readonly port: number;
      readonly kind: FloodKind;
      /** How many packets at most. */
      readonly count: number;
      readonly perSecond: number;
      /** The known peer's address, for those who pass for it. */
      readonly name: string;
    }
  /** Whom it floods, for how long, and under which queue id if it is to be one for all. */
  | { readonly do: "flood"; readonly victim: string; readonly seconds: number; readonly queueId?: string };

/** How much was written in what time. */
export interface Flooded {
  readonly published: number;
  readonly seconds: number;
}

/** What it answers. */
export type FloodEvent = { readonly event: "made" } | ({ readonly event: "done" } & Flooded);

/** A flood comes evenly, as far as timers go. */
const TICK_MS = 1;

let payloads: Uint8Array[] = [];
let perSecond = 0;
let used = 0;
let socket: Socket | undefined;

/** Writes so many packets in each tick as bring it back to its pace. */
async function flood(victim: string, seconds: number, queueId: string | undefined): Promise<Flooded> {
  const packets = payloads.slice(used, used + Math.round(seconds * perSecond)).map((payload) => {
    if (queueId !== undefined) payload.set(Buffer.from(queueId, "hex"), 97);
    return publishOf(victim, payload);
  });
  const started = performance.now();
  const elapsed = (): number => (performance.now() - started) / 1000;
  let written = 0;
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      const due = Math.min(packets.length, Math.floor(elapsed() * perSecond));
      if (due > written) socket?.write(Buffer.concat(packets.slice(written, due)));
      written = Math.max(written, due);
      if (written < packets.length) return;
      clearInterval(timer);
      resolve();
    }, TICK_MS);
  });
  used += written;
  return { published: written, seconds: elapsed() };
}

async function obey(order: FloodOrder): Promise<FloodEvent> {
  if (order.do === "flood")
    return { event: "done", ...(await flood(order.victim, order.seconds, order.queueId)) };
  perSecond = order.perSecond;
  used = 0;
  payloads = await makePayloads(order.kind, order.count, order.name);
  socket ??= await connectWriter(order.host, order.port);
  return { event: "made" };
}

process.on("message", (message) => {
  // The test's own process sends nothing else.
  void obey(message as FloodOrder).then((event) => process.send?.(event));
});

process.once("disconnect", () => process.exit());
