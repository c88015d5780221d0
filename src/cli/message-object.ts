import type { InboundMessage } from "sidewire";
import type { Output } from "./output.js";
import type { People } from "./people.js";
import { clockTime, content, hung, shown } from "./printable.js";

/** A message that came in, for programs. */
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
 * The line for it: fields between tabs in a pipe, and for a person the time of day, the sender in short, and whether
 * anybody could read it on the way.
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

/** Whether brokers could read it. */
export function sealedWord(sealed: boolean): string {
  return sealed ? "sealed" : "plain";
}

/** The same for a terminal. */
export function sealedSign(paint: Output["paint"], sealed: boolean): string {
  return sealed ? paint.green("sealed") : paint.yellow("plain");
}
