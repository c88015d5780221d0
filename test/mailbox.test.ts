import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { Emitter, type Listener } from "../src/base/emitter.js";
import type { InboundMessage } from "../src/message.js";
import { Mailbox } from "../src/receiving/mailbox.js";

function messageOf(sequence: number): InboundMessage {
  return {
    data: new Uint8Array(),
    text: () => "",
    from: "02".repeat(33),
    queueId: "00".repeat(32),
    sequence,
    sentAt: 0,
    broker: { family: "IPv4", host: "a.example" },
    sealed: false,
    reply: async () => 0,
  };
}

/** As a router has it: the events, whose listeners are the mailbox's. */
class Events extends Emitter<{ message: (message: InboundMessage) => unknown }> {
  readonly errors: [unknown, number][] = [];
  readonly mailbox: Mailbox = new Mailbox(
    { present: () => this.registered("message"), emit: (message) => this.emit("message", message) },
    (error, { sequence }) => this.errors.push([error, sequence]),
  );

  protected override callListener(_: "message", listener: Listener, [message]: [InboundMessage]): void {
    this.mailbox.call(listener, message);
  }

  protected override listenersChanged(): void {
    this.mailbox.receiversChanged();
  }
}

/** A mailbox with the numbers of these messages put in, its events, and what its handlers failed with. */
function mailboxWith(...sequences: number[]): Pick<Events, "mailbox" | "errors"> & { events: Events } {
  const events = new Events();
  put(events.mailbox, ...sequences);
  return { events, mailbox: events.mailbox, errors: events.errors };
}

function put(mailbox: Mailbox, ...sequences: number[]): void {
  for (const sequence of sequences) mailbox.put(messageOf(sequence));
}

const nobody = (): boolean => false;

function range(count: number): number[] {
  return [...Array(count).keys()];
}

/** A handler that writes down the numbers of its messages. */
function recorder(): { seen: number[]; handler: (message: InboundMessage) => void } {
  const seen: number[] = [];
  return { seen, handler: ({ sequence }) => void seen.push(sequence) };
}

/** Lets everything happen that waits for nothing else. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** What an iterator gives next: a number, "done", or "waiting" when it has nothing yet. */
async function outcomeOf(
  next: Promise<IteratorResult<InboundMessage>>,
): Promise<number | "done" | "waiting"> {
  const result = await Promise.race([next, turn()]);
  if (result === undefined) return "waiting";
  return result.done === true ? "done" : result.value.sequence;
}

/** The numbers of `count` messages of a reader. */
async function take(reader: AsyncIterableIterator<InboundMessage>, count: number): Promise<unknown[]> {
  const taken: unknown[] = [];
  for (let i = 0; i < count; i++) taken.push(await outcomeOf(reader.next()));
  return taken;
}

describe("handlers", () => {
  it("are each called with every message, in order", () => {
    const { mailbox } = mailboxWith();
    const [one, two] = [recorder(), recorder()];
    mailbox.addHandler(one.handler);
    put(mailbox, 0);
    mailbox.addHandler(two.handler);
    put(mailbox, 1, 2);
    expect(one.seen).toEqual([0, 1, 2]);
    expect(two.seen).toEqual([1, 2]);
  });

  it("count once when added twice, and are gone when removed", () => {
    const { mailbox } = mailboxWith();
    const { seen, handler } = recorder();
    const remove = mailbox.addHandler(handler);
    mailbox.addHandler(handler);
    put(mailbox, 0);
    expect(seen).toEqual([0]);
    remove();
    remove();
    put(mailbox, 1);
    expect(seen).toEqual([0]);
  });

  it.each<[string, (message: InboundMessage) => unknown]>([
    [
      "throw",
      () => {
        throw "broken";
      },
    ],
    ["reject", () => Promise.reject("broken")],
    ["reject later", () => turn().then(() => Promise.reject("broken"))],
    [
      "return a promise of another make that rejects",
      () => ({
        // biome-ignore lint/suspicious/noThenProperty: such promises are what this is about.
        then: (_: unknown, reject?: (reason: unknown) => void) => queueMicrotask(() => reject?.("broken")),
      }),
    ],
  ])("are reported when they %s, and the others are called all the same", async (_, broken) => {
    const { mailbox, errors } = mailboxWith();
    const [before, after] = [recorder(), recorder()];
    mailbox.addHandler(before.handler);
    mailbox.addHandler(broken);
    mailbox.addHandler(after.handler);
    const reader = mailbox.read(undefined);
    put(mailbox, 7, 8);
    await turn();
    await turn();
    expect(errors).toEqual([
      ["broken", 7],
      ["broken", 8],
    ]);
    expect(before.seen).toEqual([7, 8]);
    expect(after.seen).toEqual([7, 8]);
    expect(await take(reader, 2)).toEqual([7, 8]);
  });

  it("may add and remove handlers while they are called", () => {
    const { mailbox } = mailboxWith();
    const late = recorder();
    const remove = mailbox.addHandler(() => {
      remove();
      mailbox.addHandler(late.handler);
    });
    put(mailbox, 0, 1);
    expect(late.seen).toEqual([1]);
  });
});

describe("unread messages", () => {
  it("wait for the first handler, and it alone gets them", () => {
    const { mailbox } = mailboxWith(0, 1);
    const [one, two] = [recorder(), recorder()];
    mailbox.addHandler(one.handler);
    mailbox.addHandler(two.handler);
    put(mailbox, 2);
    expect(one.seen).toEqual([0, 1, 2]);
    expect(two.seen).toEqual([2]);
  });

  it("wait for the first reader, and it alone gets them", async () => {
    const { mailbox } = mailboxWith(0, 1);
    const [one, two] = [mailbox.read(undefined), mailbox.read(undefined)];
    put(mailbox, 2);
    expect(await take(one, 4)).toEqual([0, 1, 2, "waiting"]);
    expect(await take(two, 2)).toEqual([2, "waiting"]);
  });

  it("do not wait where somebody else has heard them", async () => {
    const { mailbox, events } = mailboxWith();
    const { seen, handler } = recorder();
    events.on("message", handler);
    put(mailbox, 0);
    const reader = mailbox.read(undefined);
    put(mailbox, 1);
    expect(await take(reader, 2)).toEqual([1, "waiting"]);
    expect(seen).toEqual([0, 1]);
  });

  it("wait again when the last handler is gone", () => {
    const { mailbox } = mailboxWith();
    const [one, two] = [recorder(), recorder()];
    mailbox.addHandler(one.handler)();
    put(mailbox, 0);
    mailbox.addHandler(two.handler);
    expect([one.seen, two.seen]).toEqual([[], [0]]);
  });

  it("go to a reader also after the mailbox was closed", async () => {
    const { mailbox } = mailboxWith(0);
    mailbox.close();
    expect(await take(mailbox.read(undefined), 2)).toEqual([0, "done"]);
  });
});

/** The three faces of a mailbox, in every way to come, and what leaves again. */
const FACES: readonly [string, (events: Events, handler: (message: InboundMessage) => void) => () => void][] =
  [
    ["a handler", ({ mailbox }, handler) => mailbox.addHandler(handler)],
    [
      "a listener by on",
      (events, handler) => {
        events.on("message", handler);
        return () => events.off("message", handler);
      },
    ],
    [
      "a listener by addListener",
      (events, handler) => {
        events.addListener("message", handler);
        return () => events.removeListener("message", handler);
      },
    ],
    [
      "a listener that all are taken off with",
      (events, handler) => {
        events.on("message", handler);
        return () => events.removeAllListeners();
      },
    ],
    [
      "an iterator",
      ({ mailbox }, handler) => {
        const reader = mailbox.read(undefined);
        void (async () => {
          for await (const message of reader) handler(message);
        })();
        return () => void reader.return?.();
      },
    ],
  ];

describe.each(FACES)("%s", (_, come) => {
  it("that comes late gets what waited, in order, then what comes", async () => {
    const { events, mailbox } = mailboxWith(...range(1024));
    const { seen, handler } = recorder();
    expect(mailbox.isFullFor("", nobody)).toBe(true);
    come(events, handler);
    await turn();
    expect(mailbox.isFullFor("", nobody)).toBe(false);
    put(mailbox, 1024, 1025);
    await turn();
    expect(seen).toEqual(range(1026));
  });

  it("leaves what comes after it for the next, whichever that is", async () => {
    for (const [, comeNext] of FACES) {
      const { events, mailbox } = mailboxWith();
      const [first, second] = [recorder(), recorder()];
      const leave = come(events, first.handler);
      put(mailbox, 0);
      await turn();
      leave();
      await turn();
      put(mailbox, 1, 2);
      comeNext(events, second.handler);
      put(mailbox, 3);
      await turn();
      expect([first.seen, second.seen]).toEqual([[0], [1, 2, 3]]);
    }
  });

  it("that is second gets nothing that the first was handed", async () => {
    for (const [, comeFirst] of FACES) {
      const { events, mailbox } = mailboxWith(0, 1);
      const [first, second] = [recorder(), recorder()];
      comeFirst(events, first.handler);
      come(events, second.handler);
      put(mailbox, 2);
      await turn();
      expect([first.seen, second.seen]).toEqual([[0, 1, 2], [2]]);
    }
  });
});

describe("whoever comes and goes", () => {
  it("every message is seen, by nobody twice, and in order unless somebody left some behind", async () => {
    const step = fc.oneof(
      fc.record({ put: fc.integer({ min: 1, max: 5 }) }),
      fc.record({ come: fc.integer({ min: 0, max: FACES.length - 1 }) }),
      fc.record({ leave: fc.nat(5) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        const { events, mailbox } = mailboxWith();
        const all: number[][] = [];
        const present: (() => void)[] = [];
        const come = (face: number): void => {
          const { seen, handler } = recorder();
          all.push(seen);
          const leave = FACES[face]?.[1](events, handler);
          if (leave) present.push(leave);
        };
        let sent = 0;
        for (const each of steps) {
          if ("put" in each) for (let i = 0; i < each.put; i++) put(mailbox, sent++);
          else if ("come" in each) come(each.come);
          else for (const leave of present.splice(each.leave, 1)) leave();
          await Promise.resolve();
        }
        come(0);
        await turn();
        for (const seen of all) {
          const inOrder = [...new Set(seen)].sort((a, b) => a - b);
          expect([...seen].sort((a, b) => a - b)).toEqual(inOrder);
          // What an iterator leaves behind is handed late to those who came after it.
          if (!steps.some((each) => "leave" in each)) expect(seen).toEqual(inOrder);
        }
        expect([...new Set(all.flat())].sort((a, b) => a - b)).toEqual(range(sent));
      }),
      { numRuns: 300 },
    );
  });
});

describe("a listener that wants one message", () => {
  it("gets the first that waited, and leaves the rest", () => {
    const { events, mailbox } = mailboxWith(0, 1, 2);
    const [first, second, rest] = [recorder(), recorder(), recorder()];
    events.once("message", first.handler);
    events.once("message", second.handler);
    put(mailbox, 3);
    mailbox.addHandler(rest.handler);
    expect([first.seen, second.seen, rest.seen]).toEqual([[0], [1], [2, 3]]);
  });

  it("may ask for the next one from within", () => {
    const { events, mailbox } = mailboxWith(0, 1, 2);
    const seen: number[] = [];
    const next = ({ sequence }: InboundMessage): void => {
      seen.push(sequence);
      events.once("message", next);
    };
    events.once("message", next);
    put(mailbox, 3);
    expect(seen).toEqual([0, 1, 2, 3]);
  });
});

describe("functions that take long", () => {
  /** A function whose calls end by hand, in the order in which they began. */
  function slow(): {
    handler: (message: InboundMessage) => Promise<void>;
    seen: number[];
    end: (count: number) => Promise<void>;
  } {
    const seen: number[] = [];
    const open: (() => void)[] = [];
    return {
      seen,
      handler: ({ sequence }) => {
        seen.push(sequence);
        return new Promise((resolve) => open.push(resolve));
      },
      end: async (count) => {
        for (const resolve of open.splice(0, count)) resolve();
        await turn();
      },
    };
  }

  const ways: [string, (events: Events, handler: (message: InboundMessage) => unknown) => () => unknown][] = [
    ["handlers", ({ mailbox }, handler) => mailbox.addHandler(handler)],
    [
      "listeners",
      (events, handler) => {
        events.on("message", handler);
        return () => events.off("message", handler);
      },
    ],
  ];

  it.each(ways)(
    "as %s fill the mailbox: 1024 calls at once, the rest in order as they end",
    async (_, come) => {
      const { events, mailbox } = mailboxWith();
      const { handler, seen, end } = slow();
      come(events, handler);
      put(mailbox, ...range(1023));
      expect(mailbox.isFullFor("", nobody)).toBe(false);
      // As many as may come out of a gap at once.
      put(mailbox, ...range(2000).slice(1023));
      expect(mailbox.isFullFor("", nobody)).toBe(true);
      expect(seen).toEqual(range(1024));
      await end(10);
      expect(seen).toEqual(range(1034));
      expect(mailbox.isFullFor("", nobody)).toBe(true);
      await end(1024);
      expect(seen).toEqual(range(2000));
      await end(1);
      expect(mailbox.isFullFor("", nobody)).toBe(false);
    },
  );

  it.each(ways)("as %s hold up the others no longer once they are gone", async (_, come) => {
    const { events, mailbox } = mailboxWith();
    const [hung, quick] = [slow(), recorder()];
    const leave = come(events, hung.handler);
    come(events, quick.handler);
    put(mailbox, ...range(1100));
    expect([hung.seen.length, quick.seen.length, mailbox.isFullFor("", nobody)]).toEqual([1024, 1024, true]);
    leave();
    expect(quick.seen).toEqual(range(1100));
    expect(mailbox.isFullFor("", nobody)).toBe(false);
  });

  it("fill it also where each wants one message", async () => {
    const { events, mailbox } = mailboxWith();
    const { handler, seen, end } = slow();
    const next = (message: InboundMessage): Promise<void> => {
      events.once("message", next);
      return handler(message);
    };
    events.once("message", next);
    put(mailbox, ...range(1100));
    expect([seen.length, mailbox.isFullFor("", nobody)]).toEqual([1024, true]);
    await end(1100);
    expect(seen).toEqual(range(1100));
  });

  it("that fail in the end have ended", async () => {
    const { mailbox, errors } = mailboxWith();
    mailbox.addHandler(async () => {
      await turn();
      throw "broken";
    });
    put(mailbox, ...range(1100));
    expect(mailbox.isFullFor("", nobody)).toBe(true);
    await turn();
    await turn();
    await turn();
    expect(mailbox.isFullFor("", nobody)).toBe(false);
    expect(errors).toHaveLength(1100);
  });

  it("get the rest at once when the mailbox is closed: it was acknowledged", () => {
    const { mailbox } = mailboxWith();
    const { handler, seen } = slow();
    mailbox.addHandler(handler);
    put(mailbox, ...range(1100));
    mailbox.close();
    expect(seen).toEqual(range(1100));
  });

  it("let an iterator go on where they are not", async () => {
    const { mailbox } = mailboxWith();
    const reader = mailbox.read(undefined);
    mailbox.addHandler(slow().handler);
    put(mailbox, ...range(10));
    expect(await take(reader, 10)).toEqual(range(10));
  });
});

describe("a reader", () => {
  it("waits for messages and gets them in order", async () => {
    const { mailbox } = mailboxWith();
    const reader = mailbox.read(undefined);
    const next = reader.next();
    expect(await outcomeOf(next)).toBe("waiting");
    put(mailbox, 0, 1);
    expect(await outcomeOf(next)).toBe(0);
    expect(await take(reader, 2)).toEqual([1, "waiting"]);
  });

  it("gets the messages from its making on, not from its first step on", async () => {
    const { mailbox } = mailboxWith();
    const reader = mailbox.read(undefined);
    put(mailbox, 0, 1);
    expect(await take(reader, 2)).toEqual([0, 1]);
  });

  it("is an async iterable", async () => {
    const { mailbox } = mailboxWith(0, 1, 2);
    const seen: number[] = [];
    mailbox.close();
    for await (const { sequence } of mailbox.read(undefined)) seen.push(sequence);
    expect(seen).toEqual([0, 1, 2]);
  });

  it("answers steps that were taken ahead, in their order", async () => {
    const { mailbox } = mailboxWith();
    const reader = mailbox.read(undefined);
    const steps = [reader.next(), reader.next(), reader.next()];
    put(mailbox, 0, 1);
    await turn();
    mailbox.close();
    expect(await Promise.all(steps.map(outcomeOf))).toEqual([0, 1, "done"]);
  });

  it("that breaks out leaves the rest for the next one, before what comes later", async () => {
    const { mailbox } = mailboxWith(0, 1, 2);
    for await (const { sequence } of mailbox.read(undefined)) if (sequence === 0) break;
    put(mailbox, 3);
    expect(await take(mailbox.read(undefined), 4)).toEqual([1, 2, 3, "waiting"]);
  });

  it("that breaks out leaves what nobody else has seen to those who came after it", async () => {
    const { mailbox } = mailboxWith(0, 1);
    const reader = mailbox.read(undefined);
    const { seen, handler } = recorder();
    mailbox.addHandler(handler);
    put(mailbox, 2);
    expect(await take(reader, 1)).toEqual([0]);
    await reader.return?.();
    expect(seen).toEqual([2, 1]);
  });

  it("that breaks out leaves nothing twice to others who had it already", async () => {
    const { mailbox } = mailboxWith();
    const [one, two] = [mailbox.read(undefined), mailbox.read(undefined)];
    put(mailbox, 0, 1);
    await one.return?.();
    expect(await take(two, 3)).toEqual([0, 1, "waiting"]);
    await two.return?.();
    expect(await take(mailbox.read(undefined), 1)).toEqual(["waiting"]);
  });

  it("has nothing more once it was ended, whatever it had not read", async () => {
    const { mailbox } = mailboxWith();
    mailbox.addHandler(() => {});
    const reader = mailbox.read(undefined);
    put(mailbox, 0, 1);
    expect(await outcomeOf(reader.return?.() ?? reader.next())).toBe("done");
    put(mailbox, 2);
    expect(await take(reader, 2)).toEqual(["done", "done"]);
  });
});

describe("the end of a reader", () => {
  it("comes with its signal, while it waits", async () => {
    const { mailbox } = mailboxWith();
    const controller = new AbortController();
    const next = mailbox.read(controller.signal).next();
    expect(await outcomeOf(next)).toBe("waiting");
    controller.abort();
    expect(await outcomeOf(next)).toBe("done");
  });

  it("comes with its signal at once, and what it had not read waits for the next one", async () => {
    const { mailbox } = mailboxWith(0, 1, 2);
    const controller = new AbortController();
    const reader = mailbox.read(controller.signal);
    expect(await take(reader, 1)).toEqual([0]);
    controller.abort();
    put(mailbox, 3);
    expect(await take(reader, 2)).toEqual(["done", "done"]);
    expect(await take(mailbox.read(undefined), 4)).toEqual([1, 2, 3, "waiting"]);
  });

  it("comes at once where the signal has fired already, and nothing is lost", async () => {
    const { mailbox } = mailboxWith(0);
    expect(await take(mailbox.read(AbortSignal.abort()), 1)).toEqual(["done"]);
    expect(await take(mailbox.read(undefined), 1)).toEqual([0]);
  });

  it("comes with the mailbox, after what it has", async () => {
    const { mailbox } = mailboxWith(0, 1);
    const [behind, waiting] = [mailbox.read(undefined), mailbox.read(undefined)];
    const next = waiting.next();
    await turn();
    mailbox.close();
    expect(await outcomeOf(next)).toBe("done");
    expect(await take(behind, 3)).toEqual([0, 1, "done"]);
  });

  it("takes its listener off the signal", async () => {
    const { mailbox } = mailboxWith();
    const { signal } = new AbortController();
    const added = vi.spyOn(signal, "addEventListener");
    const removed = vi.spyOn(signal, "removeEventListener");
    await mailbox.read(signal).return?.();
    const closed = mailbox.read(signal);
    mailbox.close();
    expect(await take(closed, 1)).toEqual(["done"]);
    expect(added).toHaveBeenCalledTimes(2);
    for (const [type, listener] of added.mock.calls) expect(removed).toHaveBeenCalledWith(type, listener);
  });

  it("leaves other readers as they are", async () => {
    const { mailbox } = mailboxWith();
    const controller = new AbortController();
    const [ending, staying] = [mailbox.read(controller.signal), mailbox.read(undefined)];
    controller.abort();
    put(mailbox, 0);
    expect(await take(ending, 1)).toEqual(["done"]);
    expect(await take(staying, 2)).toEqual([0, "waiting"]);
  });
});

describe("a mailbox", () => {
  it("is full with 1024 messages that nobody has read, until somebody does", () => {
    const { mailbox } = mailboxWith(...range(1023));
    expect(mailbox.isFullFor("", nobody)).toBe(false);
    put(mailbox, 1023);
    expect(mailbox.isFullFor("", nobody)).toBe(true);
    const { seen, handler } = recorder();
    mailbox.addHandler(handler);
    expect(mailbox.isFullFor("", nobody)).toBe(false);
    expect(seen).toHaveLength(1024);
  });

  it("is full when its slowest reader is 1024 behind, until that one goes on or leaves", async () => {
    const { mailbox } = mailboxWith();
    mailbox.addHandler(() => {});
    const slow = mailbox.read(undefined);
    put(mailbox, ...range(1023));
    expect(mailbox.isFullFor("", nobody)).toBe(false);
    put(mailbox, 1023);
    expect(mailbox.isFullFor("", nobody)).toBe(true);
    await slow.next();
    expect(mailbox.isFullFor("", nobody)).toBe(false);
    put(mailbox, 1024);
    expect(mailbox.isFullFor("", nobody)).toBe(true);
    await slow.return?.();
    expect(mailbox.isFullFor("", nobody)).toBe(false);
  });

  it("is never full with handlers alone", () => {
    const { mailbox } = mailboxWith();
    mailbox.addHandler(() => {});
    put(mailbox, ...range(3000));
    expect(mailbox.isFullFor("", nobody)).toBe(false);
  });

  it("is not filled by a reader whose signal has fired and who takes no further step", () => {
    const { mailbox } = mailboxWith();
    const controller = new AbortController();
    mailbox.addHandler(() => {});
    mailbox.read(controller.signal);
    controller.abort();
    put(mailbox, ...range(2000));
    expect(mailbox.isFullFor("", nobody)).toBe(false);
  });
});
