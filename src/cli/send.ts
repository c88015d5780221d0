import { createReadStream } from "node:fs";
import type { Readable } from "node:stream";
import { NoAckError, type Receipt } from "sidewire";
import type { Context } from "./context.js";
import { type ExitCode, Failure, inWords, reasonOf } from "./failure.js";
import { orAborted } from "./interrupt.js";
import { readKey } from "./key-file.js";
import { sealedWord } from "./message-object.js";
import { MAX_MESSAGE_BYTES, startPeer, waitOptions, withPeer } from "./peer.js";
import { destination, type People } from "./people.js";
import { readPool } from "./pool-file.js";
import { count, milliseconds } from "./printable.js";

export interface SendOptions {
  readonly file?: string;
  readonly plain?: true;
}

/** Sends one message, and prints its receipt. */
export async function send(
  context: Context,
  dest: string,
  text: string | undefined,
  { file, plain }: SendOptions,
): Promise<ExitCode> {
  const { output, signal } = context;
  const { to, people } = await destination(context, dest);
  const { keys } = await readKey(context);
  const brokers = await readPool(context);
  const data = await messageOf(text, file, signal);
  checkLength(data.length);
  const sealed = plain !== true;
  // `send` is no listener. Incoming messages are left to the process that listens with the same key.
  const accept = (): boolean => false;
  return await withPeer(context, { identity: keys, brokers, people, accept }, async (router) => {
    await startPeer(context, router, brokers);
    try {
      const receipt = await output.waiting(
        `sending ${count(data.length, "byte")} to ${people.short(to)}`,
        async () => {
          const pipe = await router.pipe(to, { encrypt: sealed, signal });
          return await pipe.deliver(data, waitOptions(context));
        },
      );
      await output.result({ delivered: true, to, ...people.named(to), sealed, ...receipt }, () =>
        told(context, sealed, receipt),
      );
      return 0;
    } catch (error) {
      if (!(error instanceof NoAckError)) throw error;
      await tellUndelivered(context, people, sealed, error);
      return 1;
    }
  });
}

function told(
  { output }: Context,
  sealed: boolean,
  { bytes, broker, roundTripMs, attempts, brokersTried }: Receipt,
): string {
  const tried = `${count(attempts, "attempt")} on ${count(brokersTried.length, "broker")}`;
  const how = `by ${broker.host} (${broker.family}) in ${milliseconds(roundTripMs)}, ${tried}`;
  return `${output.paint.green("✓")} ${count(bytes, "byte")} delivered ${sealedWord(sealed)}, ${how}`;
}

async function tellUndelivered(
  { options, output }: Context,
  people: People,
  sealed: boolean,
  error: NoAckError,
): Promise<void> {
  const { to, code, brokers } = error;
  if (output.json)
    return await output.result(
      { delivered: false, code, to, ...people.named(to), sealed, brokers },
      () => "",
    );
  const waited = milliseconds(options.timeout ?? 4000);
  output.note(
    `${output.paintNotes.red("✗")} not delivered (${sealedWord(sealed)}): no answer from ${people.full(to)} within ${waited}`,
  );
  if (brokers.length === 0) return output.note("No broker could be tried.");
  const rows = brokers.map(({ family, host, publishes, error: reason }) => [
    family,
    host,
    String(publishes),
    reason === undefined ? "published, no answer" : inWords(reason),
  ]);
  output.note(output.notesTable(["family", "broker", ">sent", "what it did"], rows));
}

async function messageOf(
  text: string | undefined,
  file: string | undefined,
  signal: AbortSignal,
): Promise<Uint8Array> {
  if (file !== undefined) {
    if (text !== undefined) throw new Failure("USAGE", "either a text or --file, not both");
    // Opening a file cannot be aborted, so only the wait ends.
    return await orAborted(readLimited(createReadStream(file), file, signal), signal);
  }
  if (text !== undefined && text !== "-") return new TextEncoder().encode(text);
  if (text === undefined && process.stdin.isTTY) throw new Failure("USAGE", "a message is missing");
  return await readLimited(process.stdin, "stdin", signal);
}

/** Reads a whole stream, unless it is too long for a message. */
async function readLimited(stream: Readable, name: string, signal: AbortSignal): Promise<Uint8Array> {
  const stop = (): void => void stream.destroy();
  signal.addEventListener("abort", stop, { once: true });
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of stream) {
      // A stream without an encoding yields buffers, so the cast is safe.
      chunks.push(chunk as Buffer);
      length += chunks.at(-1)?.length ?? 0;
      if (length > MAX_MESSAGE_BYTES) break;
    }
  } catch (error) {
    throw new Failure("FILE", `cannot read ${name}: ${reasonOf(error)}`);
  } finally {
    signal.removeEventListener("abort", stop);
    stream.destroy();
  }
  if (length > MAX_MESSAGE_BYTES) throw tooLarge(`${name} is longer than`);
  return Buffer.concat(chunks);
}

function checkLength(bytes: number): void {
  if (bytes > MAX_MESSAGE_BYTES) throw tooLarge(`${bytes} bytes are more than`);
}

function tooLarge(what: string): Failure {
  return new Failure("MESSAGE_TOO_LARGE", `${what} a message can be: ${MAX_MESSAGE_BYTES} bytes`);
}
