import { type EventEmitter, once } from "node:events";
import { describe, expect, it } from "vitest";
import { Emitter, type Listener } from "../src/base/emitter.js";

interface Events {
  count: (number: number) => unknown;
  text: (text: string, length: number) => unknown;
}

class Counter extends Emitter<Events> {
  readonly failed: unknown[] = [];
  readonly changes: string[] = [];

  protected override callListener(_: keyof Events, listener: Listener, args: readonly unknown[]): void {
    try {
      listener.call(args);
    } catch (error) {
      this.failed.push(error);
    }
  }

  protected override listenersChanged(event: keyof Events): void {
    this.changes.push(`${event} ${this.listenerCount(event)}`);
  }
}

describe("an emitter", () => {
  it("calls its listeners in their order, with what was emitted, and says whether there are any", () => {
    const emitter = new Counter();
    const seen: unknown[] = [];
    expect(emitter.emit("count", 1)).toBe(false);
    emitter.on("text", (text, length) => seen.push(["on", text, length]));
    emitter.addListener("text", (text) => seen.push(["added", text]));
    expect(emitter.emit("text", "abc", 3)).toBe(true);
    expect(seen).toEqual([
      ["on", "abc", 3],
      ["added", "abc"],
    ]);
  });

  it("calls the others where one fails", () => {
    const emitter = new Counter();
    const seen: number[] = [];
    emitter.on("count", () => {
      throw "broken";
    });
    emitter.on("count", (number) => seen.push(number));
    emitter.emit("count", 1);
    expect([seen, emitter.failed]).toEqual([[1], ["broken"]]);
  });

  it("calls one that was registered twice twice, and with its context", () => {
    const emitter = new Counter();
    const contexts: unknown[] = [];
    function note(this: unknown): void {
      contexts.push(this);
    }
    const mine = {};
    emitter.on("count", note).on("count", note, mine);
    emitter.emit("count", 1);
    expect(contexts).toEqual([emitter, mine]);
  });

  it("calls one for the next event alone, also where it emits another", () => {
    const emitter = new Counter();
    const seen: number[] = [];
    emitter.once("count", (number) => {
      seen.push(number);
      emitter.emit("count", number + 1);
    });
    emitter.emit("count", 1);
    expect(seen).toEqual([1]);
    expect(emitter.listenerCount("count")).toBe(0);
  });

  it("emits to those who were there, whoever comes and goes meanwhile", () => {
    const emitter = new Counter();
    const seen: string[] = [];
    const late = (): number => seen.push("late");
    const second = (): number => seen.push("second");
    emitter.on("count", () => {
      seen.push("first");
      emitter.on("count", late);
      emitter.off("count", second);
    });
    emitter.on("count", second);
    emitter.emit("count", 1);
    expect(seen).toEqual(["first", "second"]);
  });

  it.each(["off", "removeListener"] as const)("takes listeners off with %s", (off) => {
    const emitter = new Counter();
    const seen: string[] = [];
    const [a, b] = [(): number => seen.push("a"), (): number => seen.push("b")];
    const context = {};
    emitter.on("count", a).on("count", a, context).once("count", a).on("count", b);
    emitter[off]("count", a, context);
    expect(emitter.listeners("count")).toEqual([a, a, b]);
    emitter[off]("count", a, undefined, true);
    expect(emitter.listeners("count")).toEqual([a, b]);
    emitter[off]("count", a);
    expect(emitter.listeners("count")).toEqual([b]);
    emitter.on("text", a)[off]("count");
    expect(emitter.eventNames()).toEqual(["text"]);
    emitter.on("count", b).removeAllListeners("text");
    expect(emitter.eventNames()).toEqual(["count"]);
    emitter.on("text", a).removeAllListeners();
    expect(emitter.eventNames()).toEqual([]);
  });

  it("tells its class when listeners have come or left, and only then", () => {
    const emitter = new Counter();
    const listener = (): void => {};
    emitter.on("count", listener).once("count", listener);
    emitter.emit("count", 1);
    emitter.off("count", () => {});
    emitter.off("count", listener);
    emitter.off("count", listener);
    expect(emitter.changes).toEqual(["count 1", "count 2", "count 1", "count 0"]);
  });

  it("is one in Node's eyes", async () => {
    const emitter = new Counter();
    // Node's types want the whole of its own class; what it calls is here.
    const next = once(emitter as unknown as EventEmitter, "count");
    emitter.emit("count", 7);
    expect(await next).toEqual([7]);
  });

  it.each([[undefined], [null], ["log"], [{}]])("refuses %o as a listener", (listener) => {
    // A caller without types may pass anything.
    const on = (): unknown => new Counter().on("count", listener as unknown as () => void);
    expect(on).toThrow(expect.objectContaining({ code: "INVALID_OPTION", path: "listener" }));
  });
});
