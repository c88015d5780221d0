import { onTestFinished, vi } from "vitest";
import { platform } from "../../src/platform/node.js";
import type { Connection, ConnectionEvents } from "../../src/platform/platform.js";

/** A connection without a socket: the test is the other side. */
export class MemoryConnection implements Connection {
  isStranded = false;
  readonly events: ConnectionEvents;
  readonly written: Buffer[] = [];
  unsentBytes = 0;
  isPaused = false;
  state: "open" | "ended" | "destroyed" = "open";

  constructor(events: ConnectionEvents) {
    this.events = events;
  }

  write(bytes: Uint8Array): void {
    if (this.state === "open") this.written.push(Buffer.from(bytes));
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
  }

  end(): void {
    if (this.state === "open") this.state = "ended";
  }

  destroy(): void {
    this.state = "destroyed";
  }

  /** What a broker says. */
  say(...bytes: readonly Uint8Array[]): void {
    // Whom they are told to may do with them what it likes.
    if (this.state !== "destroyed") this.events.onData(Uint8Array.from(Buffer.concat(bytes)));
  }
}

/** Puts connections in memory in the place of those to brokers, until the test ends. Returns the latest. */
export function memoryConnections(): () => MemoryConnection {
  let latest: MemoryConnection | undefined;
  const spy = vi.spyOn(platform, "openConnection").mockImplementation((_, events) => {
    latest = new MemoryConnection(events);
    return latest;
  });
  onTestFinished(() => spy.mockRestore());
  return () => {
    if (latest === undefined) throw new Error("nothing was dialled");
    return latest;
  };
}
