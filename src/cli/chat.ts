import { formatAddress, NoAckError, type Router, type SmartPipe } from "sidewire";
import { LineView } from "./chat-lines.js";
import { TerminalView } from "./chat-terminal.js";
import type { ChatView, Fate } from "./chat-view.js";
import type { Context } from "./context.js";
import { endingOf } from "./ending.js";
import type { ExitCode } from "./failure.js";
import { readKey } from "./key-file.js";
import { sealedWord } from "./message-object.js";
import { MAX_MESSAGE_BYTES, startPeer, waitOptions, withPeer } from "./peer.js";
import { destination } from "./people.js";
import { readPool } from "./pool-file.js";
import { Presence } from "./presence.js";
import { tellTroubles } from "./troubles.js";

/** A chat of two people, line by line, until the end of the input or an interrupt. */
export async function chat(context: Context, dest: string, { plain }: { plain?: true }): Promise<ExitCode> {
  const { output, signal, interrupt } = context;
  const { to, people } = await destination(context, dest);
  const sealed = plain !== true;
  const { keys } = await readKey(context);
  const brokers = await readPool(context);
  // The own key is accepted as well: `doctor` probes the own address to find out whether a key is in use twice.
  const accept = (from: string): boolean => from === to || from === keys.publicKeyHex;
  return await withPeer(context, { identity: keys, brokers, people, accept }, async (router) => {
    const untroubled = tellTroubles(context, router, people);
    await startPeer(context, router, brokers);
    const pipe = await router.pipe(to, { encrypt: sealed, signal });
    output.note(
      output.paintNotes.dim(
        `You are ${formatAddress(router.address)}\nChat with ${people.short(to)}, ${sealedWord(sealed)}. Ctrl-D or Ctrl-C ends it.`,
      ),
    );
    const view: ChatView =
      output.isTerminal && process.stdin.isTTY
        ? new TerminalView(output, people, to, sealed, () => interrupt.raise("SIGINT"))
        : new LineView(output, people);
    try {
      return await talk(context, router, pipe, sealed, view);
    } finally {
      untroubled();
    }
  });
}

async function talk(
  context: Context,
  router: Router,
  pipe: SmartPipe,
  sealed: boolean,
  view: ChatView,
): Promise<ExitCode> {
  const { signal } = context;
  const presence = new Presence(pipe, waitOptions(context), (state) => view.presence(state));
  router.addMessageHandler((message) => {
    if (message.from === pipe.to) presence.heard();
    return view.received(message);
  });
  const sending = new Set<Promise<void>>();
  let allDelivered = true;
  const send = async (text: string): Promise<void> => {
    const settle = view.sending(text);
    const fate = await fateOf(context, pipe, sealed, text);
    if (fate.delivered) presence.heard();
    else if (fate.code === "NO_ACK") presence.missed();
    allDelivered &&= fate.delivered;
    await settle(fate);
  };
  presence.start();
  try {
    for await (const text of view.lines(signal)) {
      if (text.trim() === "") continue;
      const sent = send(text);
      sending.add(sent);
      void sent.finally(() => sending.delete(sent));
    }
    await Promise.all(sending);
  } finally {
    presence.stop();
    view.close();
  }
  return allDelivered || signal.aborted ? 0 : 1;
}

async function fateOf(context: Context, pipe: SmartPipe, sealed: boolean, text: string): Promise<Fate> {
  if (Buffer.byteLength(text) > MAX_MESSAGE_BYTES)
    return { delivered: false, sealed, code: "MESSAGE_TOO_LARGE", reason: "too long" };
  try {
    const { roundTripMs, broker } = await pipe.deliver(text, waitOptions(context));
    return { delivered: true, sealed, roundTripMs, broker };
  } catch (error) {
    const { code, message } = endingOf(error);
    const reason =
      error instanceof NoAckError ? "no answer" : context.signal.aborted ? "ended before an answer" : message;
    return { delivered: false, sealed, code, reason };
  }
}
