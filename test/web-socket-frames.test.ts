import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { binaryFrame, FrameReader } from "../src/platform/web-socket-frames.js";

/** A frame as a server sends it: unmasked. */
function frame(first: number, content: Buffer): Buffer {
  const { length } = content;
  if (length < 126) return Buffer.concat([Buffer.of(first, length), content]);
  if (length < 65_536) return Buffer.concat([Buffer.of(first, 126, length >> 8, length & 255), content]);
  const head = Buffer.alloc(10);
  head[0] = first;
  head[1] = 127;
  head.writeUInt32BE(length, 6);
  return Buffer.concat([head, content]);
}

const aFrame: fc.Arbitrary<Buffer> = fc.oneof(
  fc.uint8Array({ maxLength: 200 }).map((content) => frame(0x82, Buffer.from(content))),
  fc.integer({ min: 0, max: 70_000 }).map((length) => frame(0x82, Buffer.alloc(length, 3))),
  // A message in pieces, with a ping in between.
  fc
    .array(fc.uint8Array({ maxLength: 130 }), { minLength: 1, maxLength: 5 })
    .map((pieces) =>
      Buffer.concat([
        frame(0x02, Buffer.of(1)),
        frame(0x89, Buffer.from("in between")),
        ...pieces.map((piece) => frame(0x00, Buffer.from(piece))),
        frame(0x80, Buffer.of(2)),
      ]),
    ),
  fc.uint8Array({ maxLength: 125 }).map((content) => frame(0x8a, Buffer.from(content))),
);

/** What the frames carry, by the book: one whole frame after the other. */
function contentOf(bytes: Buffer): Buffer {
  const contents: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const [first = 0, short = 0] = bytes.subarray(at);
    const [head, length] =
      short === 127
        ? [10, Number(bytes.readBigUInt64BE(at + 2))]
        : short === 126
          ? [4, bytes.readUInt16BE(at + 2)]
          : [2, short];
    at += head + length;
    if ((first & 8) === 0) contents.push(bytes.subarray(at - length, at));
  }
  return Buffer.concat(contents);
}

describe("frames of a server", () => {
  it("are taken apart however they are cut", () => {
    fc.assert(
      fc.property(
        fc.array(aFrame, { maxLength: 8 }),
        fc.array(fc.nat(100_000), { maxLength: 30 }),
        (frames, places) => {
          const bytes = Buffer.concat(frames);
          const at = [0, ...places.map((place) => place % (bytes.length + 1)), bytes.length].sort(
            (a, b) => a - b,
          );
          const reader = new FrameReader();
          const read = at
            .slice(1)
            .map((end, i) => Buffer.from(reader.read(Buffer.from(bytes.subarray(at[i], end)))));
          expect(Buffer.concat(read).equals(contentOf(bytes))).toBe(true);
          expect(reader.isClosed).toBe(false);
        },
      ),
      { numRuns: 300 },
    );
  });

  it("are answered where they ask for it: the latest ping, once", () => {
    const reader = new FrameReader();
    expect(reader.takePing()).toBeUndefined();
    reader.read(
      Buffer.concat([frame(0x89, Buffer.from("a")), frame(0x89, Buffer.from("b")), Buffer.of(0x89, 1)]),
    );
    expect(Buffer.from(reader.takePing() ?? []).toString()).toBe("b");
    expect(reader.takePing()).toBeUndefined();
    reader.read(Buffer.from("c"));
    expect(Buffer.from(reader.takePing() ?? []).toString()).toBe("c");
  });

  it("end with a close: nothing behind it is read", () => {
    const reader = new FrameReader();
    const data = reader.read(
      Buffer.concat([frame(0x82, Buffer.from("a")), frame(0x88, Buffer.alloc(2)), Buffer.alloc(99, 255)]),
    );
    expect(Buffer.from(data).toString()).toBe("a");
    expect(reader.isClosed).toBe(true);
  });

  it.each([
    ["text", Buffer.of(0x81)],
    ["what is compressed", Buffer.of(0xc2)],
    ["an extension's bit", Buffer.of(0xa2)],
    ["another extension's bit", Buffer.of(0x92)],
    ["an unknown opcode", Buffer.of(0x83)],
    ["an unknown control opcode", Buffer.of(0x8b)],
    ["a continuation of nothing", Buffer.of(0x80)],
    ["a message within a message", Buffer.concat([frame(0x02, Buffer.of(1)), Buffer.of(0x82)])],
    ["a ping in pieces", Buffer.of(0x09)],
    ["a long ping", Buffer.of(0x89, 126, 0, 126)],
    ["a mask", Buffer.of(0x82, 0x81)],
    ["a length beyond counting", Buffer.of(0x82, 127, 0, 0x20, 0, 0, 0, 0, 0, 0)],
    ["a negative length", Buffer.of(0x82, 127, 255, 255, 255, 255, 255, 255, 255, 255)],
  ])("may not be %s", (_, bytes) => {
    expect(() => new FrameReader().read(bytes)).toThrow(/WebSocket/);
  });

  it("never make the reader throw anything but its errors, whatever they are", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 10 }), (pieces) => {
        const reader = new FrameReader();
        let total = 0;
        try {
          for (const piece of pieces) total += reader.read(Uint8Array.from(piece)).length;
        } catch (error) {
          expect(error).toMatchObject({ reason: "protocol" });
        }
        expect(total).toBeLessThanOrEqual(pieces.reduce((sum, { length }) => sum + length, 0));
      }),
      { numRuns: 2000 },
    );
  });
});

describe("frames of a client", () => {
  it("are masked, each with another mask", () => {
    const masks = new Set<string>();
    for (let i = 0; i < 3000; i++)
      masks.add(Buffer.from(binaryFrame(Buffer.alloc(1)).subarray(2, 6)).toString("hex"));
    expect(masks.size).toBeGreaterThan(2990);
  });
});
