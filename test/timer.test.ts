import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { Alarm, atMost, NEVER, timer } from "../src/base/alarm.js";
import { startTimer } from "../src/base/timer.js";

/** Keeps the thread busy, as an application's own work does. */
function work(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

/** A socket, and what makes its other end send one byte now. */
async function pair(): Promise<{ readonly socket: ReturnType<typeof connect>; readonly answer: () => void }> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  // A TCP server's address is an AddressInfo once it is listening.
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  const [other] = await once(server, "connection");
  onTestFinished(() => {
    socket.destroy();
    server.close();
  });
  return { socket, answer: () => other.write("x") };
}

const waits: readonly (readonly [string, (ms: number, act: () => void) => void])[] = [
  ["startTimer", (ms, act) => void startTimer(ms, act)],
  ["timer", (ms, act) => void timer(ms).over.then(act)],
  ["atMost", (ms, act) => void atMost(ms, new Promise(() => {})).then(act)],
  [
    "Alarm",
    (ms, act) =>
      new Alarm(() => {
        act();
        return NEVER;
      }).set(performance.now() + ms),
  ],
];

describe("a timer that was held up", () => {
  it.each(waits)("by a busy thread fires after what came in meanwhile: %s", async (_, wait) => {
    const { socket, answer } = await pair();
    const order: string[] = [];
    socket.on("data", () => order.push("answer"));
    const fired = new Promise<void>((resolve) => {
      wait(20, () => {
        order.push("timer");
        resolve();
      });
    });
    answer();
    work(200);
    await fired;
    expect(order).toEqual(["answer", "timer"]);
  });

  it("fires though the thread is kept busy again and again", async () => {
    let isBusy = true;
    const keepBusy = (): void => {
      if (!isBusy) return;
      work(80);
      setImmediate(keepBusy);
    };
    keepBusy();
    await new Promise<void>((resolve) => void startTimer(10, resolve));
    isBusy = false;
  });

  it("does not fire when it is stopped while it catches up", async () => {
    let fired = false;
    const stop = startTimer(10, () => {
      fired = true;
    });
    work(200);
    // The timer's first turn is over then, its catching up is not.
    await new Promise((resolve) => setTimeout(resolve, 0));
    stop();
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(fired).toBe(false);
  });
});

describe("a timer that was not held up", () => {
  it("fires in time", async () => {
    const startedAt = performance.now();
    await new Promise<void>((resolve) => void startTimer(30, resolve));
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(29);
  });

  it("does not fire when it is stopped", async () => {
    let fired = false;
    startTimer(10, () => {
      fired = true;
    })();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(fired).toBe(false);
  });
});
