import fc from "fast-check";
import { expect, it } from "vitest";
import { encodeRestMessage, isRestMessage, parseRestMessage } from "../src/rest-message.js";

it.each(["ask", "agree"] as const)(
  "what is said before a tunnel ends is read as it was written: %s",
  (message) => {
    expect(parseRestMessage(encodeRestMessage(message))).toBe(message);
  },
);

it("what is something else is nothing, whatever it is", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      const message = parseRestMessage(bytes);
      if (message === undefined) return;
      expect(isRestMessage(bytes)).toBe(true);
      expect(bytes).toEqual(encodeRestMessage(message));
    }),
  );
  for (const bytes of [[], [5], [5, 0], [5, 3], [5, 1, 0], [4, 1]]) {
    expect(parseRestMessage(Uint8Array.from(bytes))).toBeUndefined();
  }
});
