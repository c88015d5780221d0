import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Router } from "../../src/index.js";
import { type Counts, expectNothingWrong, Flow, total } from "./ledger.js";
import { cheapIdentity, network } from "./memory-network.js";
import { report } from "./report.js";
import { VirtualClock } from "./virtual-clock.js";

vi.mock("../../src/brokers/broker-link.js", async () => {
  const { network } = await import("./memory-network.js");
  return { openLink: network.openLink };
});

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

/** Where the clocks stand, one step after the other. */
const STEPS_MS = [0, HOUR_MS, 0, -HOUR_MS, 0];
/** How long each step lasts: until everything of the one before is forgotten. */
const STEP_MS = 10 * MINUTE_MS;
const EVERY_MS = 10 * SECOND_MS;

interface Step {
  readonly aheadMs: number;
  readonly sent: number;
  readonly acknowledged: number;
}

describe("a wall clock that jumps by an hour and stays there for ten minutes, in simulated time", () => {
  const clock = new VirtualClock();
  beforeEach(() => clock.install());
  afterEach(() => clock.uninstall());

  /** Messages flow both ways while clocks jump: Ben's, or both. */
  async function jump(whose: "one" | "both"): Promise<{ counts: Counts; steps: Step[] }> {
    for (const host of ["a.example", "b.example", "c.example"]) network.add(host);
    let aheadMs = 0;
    const makePeer = (jumps: boolean): Router =>
      new Router(cheapIdentity(), {
        getTime: () => clock.wall + (jumps ? aheadMs : 0),
        brokers: network.pool,
        families: ["IPv4"],
        verify: () => true,
      });
    const [ann, ben] = [makePeer(whose === "both"), makePeer(true)];
    let working = 0;
    const work = async (promise: Promise<unknown>): Promise<void> => {
      working++;
      await promise.finally(() => working--);
    };
    const pass = (ms: number): Promise<void> =>
      clock.passUntil(clock.now + ms, () => working > 0 || network.pending > 0);

    for (const peer of [ann, ben]) void work(peer.start());
    await pass(SECOND_MS);
    const flows = [
      new Flow("ann", await ann.pipe(ben.address), [ben]),
      new Flow("ben", await ben.pipe(ann.address), [ann]),
    ];
    const steps: Step[] = [];
    for (const step of STEPS_MS) {
      aheadMs = step;
      const before = total(flows.map((flow) => flow.counts()));
      for (const end = clock.now + STEP_MS; clock.now < end; ) {
        for (const flow of flows) void work(flow.send());
        await pass(EVERY_MS);
      }
      const after = total(flows.map((flow) => flow.counts()));
      const acknowledged = after.acknowledged - before.acknowledged;
      steps.push({ aheadMs, sent: after.sent - before.sent, acknowledged });
    }
    const counts = total(flows.map((flow) => flow.counts()));
    for (const peer of [ann, ben]) void work(peer.close());
    await pass(MINUTE_MS);
    return { counts, steps };
  }

  it("of one of two: what is sent while the clocks agree is delivered", async () => {
    const { counts, steps } = await jump("one");
    clock.uninstall();
    await report(
      "6d one clock jumps ± an hour and stays for ten minutes, in simulated time",
      "3",
      counts,
      `while they agreed: all; while not: ${steps
        .filter(({ aheadMs }) => aheadMs !== 0)
        .map(({ acknowledged }) => acknowledged)
        .join(" and ")}`,
    );
    expectNothingWrong(counts);
    for (const { aheadMs, sent, acknowledged } of steps) expect(acknowledged).toBe(aheadMs === 0 ? sent : 0);
  });

  it("of both: everything is delivered", async () => {
    const { counts, steps } = await jump("both");
    clock.uninstall();
    await report(
      "6e both clocks jump ± an hour and stay for ten minutes, in simulated time",
      "3",
      counts,
      "all",
    );
    expectNothingWrong(counts);
    for (const { sent, acknowledged } of steps) expect(acknowledged).toBe(sent);
  });
});
