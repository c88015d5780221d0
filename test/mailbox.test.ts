import { describe, expect, it, vi } from "vitest";
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

/** A mailbox with the numbers of these messages put in, and what its handlers failed with. */
function mailboxWith(...sequences: number[]): { mailbox: Mailbox; errors: [unknown, number][] } {
  const errors: [unknown, number][] = [];
  const mailbox = new Mailbox((error, { sequence }) => errors.push([error, sequence]));
  put(mailbox, ...sequences);
  return { mailbox, errors };
}

function put(mailbox: Mailbox, ...sequences: number[]): void {
  for (const sequence of sequences) mailbox.put(messageOf(sequence), false);
}

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
    const { mailbox } = mailboxWith();
    mailbox.put(messageOf(0), true);
    const reader = mailbox.read(undefined);
    mailbox.put(messageOf(1), true);
    expect(await take(reader, 2)).toEqual([1, "waiting"]);
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
    expect(mailbox.isFull).toBe(false);
    put(mailbox, 1023);
    expect(mailbox.isFull).toBe(true);
    const { seen, handler } = recorder();
    mailbox.addHandler(handler);
    expect(mailbox.isFull).toBe(false);
    expect(seen).toHaveLength(1024);
  });

  it("is full when its slowest reader is 1024 behind, until that one goes on or leaves", async () => {
    const { mailbox } = mailboxWith();
    mailbox.addHandler(() => {});
    const slow = mailbox.read(undefined);
    put(mailbox, ...range(1023));
    expect(mailbox.isFull).toBe(false);
    put(mailbox, 1023);
    expect(mailbox.isFull).toBe(true);
    await slow.next();
    expect(mailbox.isFull).toBe(false);
    put(mailbox, 1024);
    expect(mailbox.isFull).toBe(true);
    await slow.return?.();
    expect(mailbox.isFull).toBe(false);
  });

  it("is never full with handlers alone", () => {
    const { mailbox } = mailboxWith();
    mailbox.addHandler(() => {});
    put(mailbox, ...range(3000));
    expect(mailbox.isFull).toBe(false);
  });

  it("is not filled by a reader whose signal has fired and who takes no further step", () => {
    const { mailbox } = mailboxWith();
    const controller = new AbortController();
    mailbox.addHandler(() => {});
    mailbox.read(controller.signal);
    controller.abort();
    put(mailbox, ...range(2000));
    expect(mailbox.isFull).toBe(false);
  });
});
