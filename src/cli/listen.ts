import { formatAddress, type InboundMessage } from "sidewire";
import { readAccepted } from "./accept-file.js";
import type { Context } from "./context.js";
import { type ExitCode, Failure } from "./failure.js";
import { aborted } from "./interrupt.js";
import { readKey } from "./key-file.js";
import { messageLine, messageObject } from "./message-object.js";
import { checkProgram, MessagePrograms, type ProgramEnd } from "./message-programs.js";
import { startPeer, withPeer } from "./peer.js";
import { People } from "./people.js";
import { poolPath, readPool } from "./pool-file.js";
import { count, shown } from "./printable.js";
import { tellTroubles } from "./troubles.js";

export interface ListenOptions {
  readonly exec?: string;
  readonly accept?: string;
  readonly once?: true;
  readonly count?: number;
  readonly for?: number;
}

/** Prints messages, or runs a program for each message, until an interrupt or a limit. */
export async function listen(
  context: Context,
  args: readonly string[],
  { exec, accept: acceptFile, once, count: most = once ? 1 : undefined, for: ms }: ListenOptions,
): Promise<ExitCode> {
  const { output, signal } = context;
  if (exec === undefined && args.length > 0) throw new Failure("USAGE", "arguments without --exec");
  const { keys, path } = await readKey(context);
  const brokers = await readPool(context);
  const people = await People.known(context);
  const accepted = acceptFile === undefined ? undefined : await readAccepted(acceptFile, people, signal);
  if (exec !== undefined) await checkProgram(exec);
  const poolFile = poolPath(context);
  const programs =
    exec === undefined
      ? undefined
      : new MessagePrograms({
          program: exec,
          args,
          // With --json, only objects go to stdout.
          stdout: output.json ? process.stderr : process.stdout,
          keyFile: path,
          ...(poolFile === undefined ? {} : { poolFile }),
          nameOf: (address) => people.nameOf(address),
          onEnd: (message, time, end) => tellEnd(context, exec, people, message, time, end),
        });

  // The own key is always accepted: `doctor` probes the own address to find out whether a key is in use twice.
  const accept = (from: string): boolean => accepted?.has(from) !== false || from === keys.publicKeyHex;
  let handled = 0;
  await withPeer(context, { identity: keys, brokers, people, accept }, async (router) => {
    const untroubled = tellTroubles(context, router, people);
    await startPeer(context, router, brokers);
    if (output.json) await output.result({ event: "listening", address: router.address }, () => "");
    else output.note(output.paintNotes.dim(`Listening as ${formatAddress(router.address)}\nCtrl-C ends it.`));
    // Closing the router ends the iteration, after all acknowledged messages.
    const end = (): void => {
      untroubled();
      void router.close({ signal });
    };
    void aborted(signal).then(end);
    const timer = ms === undefined ? undefined : setTimeout(end, ms);
    const messages = router.messages();
    let arrived = 0;
    // A handler runs at once, so the router closes before it acknowledges another message.
    router.addMessageHandler(() => {
      if (++arrived === most) end();
    });
    const known = new Set<string>();
    for await (const message of messages) {
      if (++handled === most) end();
      const time = new Date();
      if (programs === undefined || output.json) await print(context, people, message, time, known);
      await programs?.add(message, time);
    }
    clearTimeout(timer);
  });
  if (programs !== undefined && programs.waiting > 0) {
    if (signal.aborted)
      output.note(`${count(programs.waiting, "message")} still to be handled; Ctrl-C again leaves them.`);
    await programs.done();
  }
  // A script that waits for messages must learn that they did not come.
  return signal.aborted || (most ?? 0) <= handled ? 0 : 1;
}

async function print(
  { output }: Context,
  people: People,
  message: InboundMessage,
  time: Date,
  known: Set<string>,
): Promise<void> {
  const { from } = message;
  // The whole address is shown once for each sender, because a reply needs it.
  if (output.isTerminal && !known.has(from) && people.nameOf(from) === undefined)
    await output.line(output.paint.dim(`from ${formatAddress(from)}`));
  if (known.size < MAX_KNOWN) known.add(from);
  await output.message(messageObject(message, time, people), () =>
    messageLine(output, message, time, people),
  );
}

const MAX_KNOWN = 10_000;

/**
 * Reports the end of a program. People only hear of failures. The warning contains the message, so that it is not lost.
 */
async function tellEnd(
  { output }: Context,
  program: string,
  people: People,
  message: InboundMessage,
  time: Date,
  end: ProgramEnd,
): Promise<void> {
  const { from, data, queueId, sequence } = message;
  if (output.json)
    return await output.result({ event: "exec", program, from, queueId, sequence, ...end }, () => "");
  if (end.exitCode === 0) return;
  const { exitCode, signal, error } = end;
  const how = error ?? (exitCode === undefined ? `killed by ${signal}` : `exit code ${exitCode}`);
  const when = time.toISOString();
  output.warn(
    "EXEC",
    `${program} failed (${how}) for the message of ${when} from ${people.full(from)}: ${shown(data)}`,
  );
}
