import type { InboundMessage } from "sidewire";
import type { Output } from "./output.js";
import { clockTime, content, hung, short, shown } from "./printable.js";

/** A message that came in, for programs. */
export function messageObject(message: InboundMessage, time: Date): object {
  const { from, data, sealed, broker, sentAt, queueId, sequence } = message;
  return {
    event: "message",
    time: time.toISOString(),
    from,
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
 * The line for it: fields between tabs in a pipe, and for a person the time of day, the sender in
 * short, and a sign of what was sealed.
 */
export function messageLine(
  { paint, isTerminal }: Output,
  { from, data, sealed }: InboundMessage,
  time: Date,
): string {
  if (!isTerminal) return [time.toISOString(), from, shown(data)].join("\t");
  const head = `${paint.dim(clockTime(time))}  ${paint.cyan(short(from))}${sealed ? paint.green(" sealed") : ""}  `;
  return hung(head, shown(data), process.stdout.columns);
}
