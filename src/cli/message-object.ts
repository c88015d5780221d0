import type { InboundMessage } from "sidewire";
import type { Output } from "./output.js";
import type { People } from "./people.js";
import { clockTime, content, hung, shown } from "./printable.js";

/** An incoming message as an object for programs. */
export function messageObject(message: InboundMessage, time: Date, people: People): object {
  const { from, data, sealed, broker, sentAt, queueId, sequence } = message;
  return {
    event: "message",
    time: time.toISOString(),
    from,
    ...people.named(from),
    ...content(data),
    bytes: data.length,
    sealed,
    broker,
    sentAt: new Date(sentAt).toISOString(),
    queueId,
    sequence,
  };
}

/**
 * An incoming message as a line. In a pipe the line has fields between tabs. For a person it has the time of day, the
 * sender in short form, and whether brokers could read the message.
 */
export function messageLine(
  { paint, isTerminal }: Output,
  { from, data, sealed }: InboundMessage,
  time: Date,
  people: People,
): string {
  if (!isTerminal) return [time.toISOString(), people.full(from), sealedWord(sealed), shown(data)].join("\t");
  const head = `${paint.dim(clockTime(time))}  ${paint.cyan(people.short(from))} ${sealedSign(paint, sealed)}  `;
  return hung(head, shown(data), process.stdout.columns);
}

/** Whether brokers could read a message, in a word. */
export function sealedWord(sealed: boolean): string {
  return sealed ? "sealed" : "plain";
}

/** The same word, coloured for a terminal. */
export function sealedSign(paint: Output["paint"], sealed: boolean): string {
  return sealed ? paint.green("sealed") : paint.yellow("plain");
}
