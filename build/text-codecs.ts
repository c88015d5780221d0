/**
 * UTF-8 for the page's build that `require` gets: in Jest's jsdom, which has neither of the two classes, by the
 * `Buffer` that is there. Like `TextDecoder` with `ignoreBOM`, which is the only use of it.
 */
export const TextEncoder: unknown =
  globalThis.TextEncoder ??
  class {
    encode(text: string): Uint8Array {
      return Uint8Array.from(Buffer.from(text));
    }
  };

export const TextDecoder: unknown =
  globalThis.TextDecoder ??
  class {
    decode(bytes: Uint8Array): string {
      return Buffer.from(bytes).toString();
    }
  };
