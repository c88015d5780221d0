import { describe, expect, it } from "vitest";
import {
  type BrokerPool,
  type InboundMessage,
  Keypair,
  NoBrokerError,
  pairwise,
  Router,
  type SmartPipe,
} from "../../src/index.js";
import { type EmbeddedBroker, startEmbeddedBroker } from "../support/embedded-broker.js";
import { makePeer, poolOf, record, startPeer, use } from "../support/peers.js";

async function startBroker(port = 0): Promise<EmbeddedBroker> {
  return use(await startEmbeddedBroker("127.0.0.1", port));
}

/** A router whose keys the test has as well. */
async function startOwn(brokers: BrokerPool): Promise<{ keys: Keypair; router: Router }> {
  const keys = Keypair.generate();
  const router = use(new Router(keys, { getTime: Date.now, brokers, families: ["IPv4"] }));
  await router.start();
  return { keys, router };
}

/** Resolves with the next messages of a pipe. */
async function next(pipe: SmartPipe, count = 1): Promise<InboundMessage[]> {
  const messages: InboundMessage[] = [];
  let remove = (): void => {};
  await new Promise<void>((resolve) => {
    remove = pipe.addMessageHandler((message) => {
      if (messages.push(message) === count) resolve();
    });
  });
  remove();
  return messages;
}

describe("a contact", () => {
  it("is spoken to under addresses that are neither side's own, sealed, over the same session", async () => {
    const broker = await startBroker();
    const topics = new Set<string>();
    broker.aedes.on("publish", ({ topic }) => topics.add(topic));
    const [ann, ben] = [await startPeer(poolOf([broker])), await startPeer(poolOf([broker]))];
    const shown = record(ben);
    const connections = broker.connections;
    const [toBen, toAnn] = await Promise.all([ann.contact(ben.address), ben.contact(ann.address)]);
    const came = next(toAnn, 2);
    expect((await toBen.deliver("hello")).bytes).toBe(5);
    expect((await toBen.deliver("again")).bytes).toBe(5);
    const messages = await came;
    expect(messages.map((message) => [message.text(), message.from, message.sealed])).toEqual([
      ["hello", toAnn.to, true],
      ["again", toAnn.to, true],
    ]);
    const answered = next(toBen);
    expect(await messages[0]?.reply("yes")).toBe(3);
    expect((await answered)[0]?.text()).toBe("yes");
    expect((await toBen.probe()).reachable).toBe(true);
    expect(broker.connections).toBe(connections);
    expect(shown).toEqual([]);
    // Aedes has topics of its own, for those who come and go.
    const used = [...topics].filter((topic) => !topic.startsWith("$SYS"));
    expect(new Set(used)).toEqual(new Set([toBen.to, toAnn.to]));
    expect(used).not.toContain(ann.address);
    expect(used).not.toContain(ben.address);
  });

  it("keeps what comes until there is a handler", async () => {
    const broker = await startBroker();
    const [ann, ben] = [await startPeer(poolOf([broker])), await startPeer(poolOf([broker]))];
    const [toBen, toAnn] = await Promise.all([ann.contact(ben.address), ben.contact(ann.address)]);
    await toBen.deliver("early");
    expect((await next(toAnn))[0]?.text()).toBe("early");
  });

  it("is one however often it is asked for, and begins anew once it was closed", async () => {
    const broker = await startBroker();
    const [ann, ben] = [await startPeer(poolOf([broker])), await startPeer(poolOf([broker]))];
    const toAnn = await ben.contact(ann.address);
    const [first, second] = await Promise.all([ann.contact(ben.address), ann.contact(ben.address)]);
    expect(second).toBe(first);
    const last = first.deliver("last");
    first.close();
    const came = next(toAnn, 2);
    // What was sent before goes on; the address is free again when it has ended.
    const anew = await ann.contact(ben.address);
    expect(anew).not.toBe(first);
    expect((await last).bytes).toBe(4);
    expect((await anew.deliver("anew")).bytes).toBe(4);
    expect((await came).map((message) => message.text())).toEqual(["last", "anew"]);
    await expect(first.deliver("late")).rejects.toMatchObject({ code: "CLOSED" });
  });

  it("takes nothing from anybody else who knows the address, nor what is not sealed", async () => {
    const broker = await startBroker();
    const pool = poolOf([broker]);
    const { keys, router: ann } = await startOwn(pool);
    const [ben, cleo] = [await startPeer(pool), await startPeer(pool)];
    const toAnn = await ben.contact(ann.address);
    const shown: InboundMessage[] = [];
    toAnn.addMessageHandler((message) => shown.push(message));
    const reasons: string[] = [];
    ben.on("dropped", ({ reason }) => reasons.push(reason));
    const { identity, remoteAddress } = await pairwise(keys, ben.address);
    const stranger = await cleo.pipe(remoteAddress, { encrypt: true });
    await expect(stranger.deliver("hello", { timeoutMs: 300 })).rejects.toMatchObject({ code: "NO_ACK" });
    expect(new Set(reasons.splice(0))).toEqual(new Set(["not-accepted"]));
    const plain = new Router(identity, { over: ann, getTime: Date.now });
    await plain.start();
    const pipe = await plain.pipe(remoteAddress);
    await expect(pipe.deliver("hello", { timeoutMs: 300 })).rejects.toMatchObject({ code: "NO_ACK" });
    expect(new Set(reasons)).toEqual(new Set(["not-sealed"]));
    expect(shown).toEqual([]);
  });

  it("ends with its router, whoever owns the connections", async () => {
    const broker = await startBroker();
    const [home, ben] = [await startPeer(poolOf([broker])), await startPeer(poolOf([broker]))];
    const ann = new Router(Keypair.generate(), { over: home, getTime: Date.now });
    await ann.start();
    const contacts = [await home.contact(ben.address), await ann.contact(ben.address)];
    await ann.close();
    await expect(contacts[1]?.deliver("late")).rejects.toMatchObject({ code: "CLOSED" });
    await expect(ann.contact(ben.address)).rejects.toMatchObject({ code: "CLOSED" });
    expect((await contacts[0]?.probe({ timeoutMs: 50 }))?.reachable).toBe(false);
    const opening = home.contact(Keypair.generate().publicKeyHex);
    const refused = expect(opening).rejects.toMatchObject({ code: "CLOSED" });
    await home.close();
    await refused;
    await expect(contacts[0]?.deliver("late")).rejects.toMatchObject({ code: "CLOSED" });
  });

  it("is refused with a reason, and can be asked for again", async () => {
    const broker = await startBroker();
    const ben = makePeer(poolOf([broker]));
    const ann = await startPeer(poolOf([broker]));
    await expect(ben.contact(ann.address)).rejects.toMatchObject({ code: "NOT_STARTED" });
    await expect(ann.contact(ann.address)).rejects.toMatchObject({ code: "INVALID_ADDRESS" });
    await expect(ann.contact("ben")).rejects.toMatchObject({ code: "INVALID_ADDRESS" });
    const aborted = ann.contact(ben.address, { signal: AbortSignal.abort() });
    await expect(aborted).rejects.toMatchObject({ code: "ABORTED" });
    // As an option of TypeScript has no such name.
    const options = { useCache: true } as object;
    await expect(ann.contact(ben.address, options)).rejects.toMatchObject({ code: "INVALID_OPTION" });
    await broker.close();
    await expect(ann.contact(ben.address)).rejects.toThrow(NoBrokerError);
    await startBroker(broker.port);
    await ann.start();
    expect((await ann.contact(ben.address)).encrypted).toBe(true);
  });

  it("tells of a handler that failed by the events of its router", async () => {
    const broker = await startBroker();
    const [ann, ben] = [await startPeer(poolOf([broker])), await startPeer(poolOf([broker]))];
    const [toBen, toAnn] = await Promise.all([ann.contact(ben.address), ben.contact(ann.address)]);
    const failed = new Promise((resolve) => ben.on("handlerError", resolve));
    toAnn.addMessageHandler(() => {
      throw new Error("oh");
    });
    await toBen.deliver("hello");
    expect(await failed).toMatchObject({ error: expect.objectContaining({ message: "oh" }) });
  });
});
