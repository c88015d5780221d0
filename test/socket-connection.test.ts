import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { afterEach, expect, it, vi } from "vitest";
import { SocketConnection } from "../src/platform/socket-connection.js";

/** An open connection over something that notes what is handed to the system at once. */
async function openOne(): Promise<{ connection: SocketConnection; calls: string[]; ended: Promise<void> }> {
  const calls: string[] = [];
  let end = (): void => {};
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  const wire = new Duplex({
    read: () => {},
    write: (chunk: Buffer, _, done) => {
      calls.push(chunk.toString());
      done();
    },
    writev: (chunks: { chunk: Buffer }[], done) => {
      calls.push(chunks.map(({ chunk }) => chunk.toString()).join("+"));
      done();
    },
    final: (done) => {
      end();
      done();
    },
  });
  const connection = await new Promise<SocketConnection>((resolve) => {
    const opening: SocketConnection = new SocketConnection(
      // What a connection does with a socket, any stream can.
      async () => wire as unknown as Socket,
      { onStage: () => {}, onOpen: () => resolve(opening), onData: () => {}, onClose: () => {} },
    );
  });
  return { connection, calls, ended };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const bytes = (text: string): Uint8Array => Buffer.from(text);

function spin(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

afterEach(() => void vi.restoreAllMocks());

it("hands over together what is written in a turn, also by promises in it, and nothing later", async () => {
  const { connection, calls } = await openOne();
  await turn();
  // However long this takes on a busy machine.
  vi.spyOn(performance, "now").mockReturnValue(1000);
  connection.write(bytes("a"));
  await Promise.resolve();
  connection.write(bytes("b"));
  expect(connection.unsentBytes).toBe(2);
  await turn();
  expect(calls).toEqual(["a+b"]);
  connection.write(bytes("c"));
  await turn();
  expect(calls).toEqual(["a+b", "c"]);
});

it("keeps nothing back for longer than a moment while the thread is busy", async () => {
  const { connection, calls } = await openOne();
  await turn();
  connection.write(bytes("a"));
  spin(2);
  connection.write(bytes("b"));
  expect(calls).toEqual(["a+b"]);
  connection.write(bytes("c"));
  connection.write(bytes("d"));
  await turn();
  expect(calls.join("+")).toBe("a+b+c+d");
});

it("hands over what was written before it was destroyed", async () => {
  const { connection, calls } = await openOne();
  await turn();
  connection.write(bytes("a"));
  connection.write(bytes("b"));
  connection.destroy();
  expect(calls).toEqual(["a+b"]);
});

it("keeps back nothing long", async () => {
  const { connection, calls } = await openOne();
  await turn();
  connection.write(bytes("a"));
  connection.write(new Uint8Array(8192));
  expect([calls.length, connection.unsentBytes]).toEqual([1, 0]);
});

it("hands over what was written before its end", async () => {
  const { connection, calls, ended } = await openOne();
  await turn();
  connection.write(bytes("a"));
  connection.write(bytes("b"));
  connection.end();
  await ended;
  expect(calls).toEqual(["a+b"]);
});
