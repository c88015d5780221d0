import { expect, it } from "vitest";
import { Channels } from "../src/channels.js";
import { keyOf } from "./support/roster.js";

/** Channels of which each says whether it is open. */
function watched(): { readonly channels: Channels; readonly open: () => string[] } {
  const names = new Map<object, string>();
  const open = new Set<string>();
  let next = "";
  const channels = new Channels({
    privateKey: () => new Uint8Array(32).fill(7),
    open: () => {
      const name = next;
      open.add(name);
      const channel = { post: async () => true, close: async () => void open.delete(name) };
      names.set(channel, name);
      return channel as never;
    },
    onHeard: () => {},
    onError: (error) => {
      throw error;
    },
  });
  const to = channels.to.bind(channels);
  channels.to = (publicKey) => {
    next = publicKey;
    return to(publicKey);
  };
  return { channels, open: () => [...open].toSorted() };
}

it("stay open to hosts that are listened to, when they are peers no more", () => {
  const { channels, open } = watched();
  const [member, peer] = [keyOf("member"), keyOf("peer")];
  for (const one of [member, peer]) channels.to(one);
  channels.listen([member], () => true);
  channels.end(member);
  channels.end(peer);
  expect(open()).toEqual([member]);
});

it("are opened to hosts that are listened to, and end when they are so no more, unless they are peers'", () => {
  const { channels, open } = watched();
  const [member, peer] = [keyOf("member"), keyOf("peer")];
  channels.listen([member, peer], () => false);
  expect(open()).toEqual([member, peer].toSorted());
  channels.listen([], (name) => name === peer);
  expect(open()).toEqual([peer]);
  channels.end(peer);
  expect(open()).toEqual([]);
});

it("go on to a host that becomes a peer", () => {
  const { channels, open } = watched();
  const member = keyOf("member");
  channels.listen([member], () => true);
  const channel = channels.to(member);
  channels.listen([], (name) => name === member);
  expect([channels.to(member) === channel, open()]).toEqual([true, [member]]);
});
