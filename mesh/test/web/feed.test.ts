import { describe, expect, it, onTestFinished } from "vitest";
import { MeshError } from "../../src/errors.js";
import { Feed, type FeedState, type FeedTimes } from "../../src/web/feed.js";
import { directPeer, KEY_B, someInfo, unmetPeer } from "../support/fake-mesh.js";
import { WatchedDaemon } from "../support/watched-daemon.js";
import { networkOf } from "../support/web-daemon.js";

function watch(times: Partial<FeedTimes> = {}): {
  daemon: WatchedDaemon;
  feed: Feed;
  until: (holds: (state: FeedState) => boolean) => Promise<FeedState>;
} {
  const daemon = new WatchedDaemon();
  const feed = new Feed(daemon, { silenceMs: 60_000, retryMs: 1, ...times });
  const ending = new AbortController();
  const until = (holds: (state: FeedState) => boolean): Promise<FeedState> =>
    new Promise((resolve) => {
      const look = (): void => {
        if (!holds(feed.state)) return;
        silence();
        resolve(feed.state);
      };
      const silence = feed.listen(look);
      look();
    });
  const running = feed.run(ending.signal);
  onTestFinished(async () => {
    ending.abort();
    await running;
  });
  return { daemon, feed, until };
}

const textsOf = ({ events }: FeedState): string[] => events.map(({ text }) => text);

describe("the feed", () => {
  it("shows what the daemon says, and tells what has changed", async () => {
    const { daemon, until } = watch();
    await until(({ view }) => view !== undefined);
    const path = { kind: "lan", endpoint: "192.168.1.9:51820", roundTripMs: 0.42, since: 0 } as const;
    daemon.say(someInfo({ peers: [directPeer(), unmetPeer({ state: "direct", path, name: "nas" })] }));
    const state = await until(({ events }) => events.length > 0);
    expect(textsOf(state)).toEqual([
      "TrMvSoP4… is called nas now",
      "nas: direct LAN, 192.168.1.9:51820, 0.4 ms",
    ]);
    expect(state.view?.peers.find(({ key }) => key === KEY_B)).toMatchObject({ kind: "lan", name: "nas" });
  });

  it("tells nothing of counters and round trips", async () => {
    const { daemon, feed, until } = watch();
    await until(({ view }) => view !== undefined);
    daemon.say(someInfo({ peers: [directPeer({ receivedBytes: 5_000_000 }), unmetPeer()] }));
    await until(({ view }) => view?.peers.some(({ received }) => received === 5_000_000) === true);
    expect(feed.state.events).toEqual([]);
  });

  it("says that the daemon does not answer, and goes on when it does", async () => {
    const { daemon, until } = watch();
    await until(({ view }) => view !== undefined);
    daemon.failure = new MeshError("NO_DAEMON", "no daemon looks after lo");
    daemon.end();
    const away = await until((state) => state.away !== undefined);
    expect(away.away).toBe("The daemon of lo does not answer");
    // What was known stays to be seen.
    expect(away.view?.interface).toBe("lo");
    const tries = daemon.watches;
    await expect.poll(() => daemon.watches).toBeGreaterThan(tries + 3);
    daemon.failure = undefined;
    const back = await until((state) => state.away === undefined);
    expect(textsOf(back)).toEqual(["The daemon of lo does not answer", "The daemon of lo answers again"]);
  });

  it("says what another version of the daemon causes", async () => {
    const { daemon, until } = watch();
    daemon.failure = new MeshError("COMMAND_FAILED", "what the daemon says is not understood");
    daemon.end();
    await until(({ away }) => away === "what the daemon says is not understood");
  });

  it("does not believe in a daemon that is silent", async () => {
    const { daemon, until } = watch({ silenceMs: 20 });
    await until((state) => state.away !== undefined);
    expect(daemon.watches).toBeGreaterThan(0);
  });

  it("tells who has become a member, and who waits", async () => {
    const { daemon, feed, until } = watch();
    const info = someInfo();
    await until(({ view }) => view !== undefined);
    daemon.network = networkOf(info, { members: [] });
    feed.forgetMembers();
    daemon.say(info);
    await until(({ view }) => view?.network !== undefined);
    daemon.network = networkOf(info, { waiting: [{ name: "pi", publicKey: KEY_B }] });
    feed.forgetMembers();
    daemon.say(info);
    const state = await until(({ view }) => view?.network?.waiting.length === 1);
    expect(textsOf(state)).toEqual([
      "This host is a member of office",
      "desk is a member of office now",
      " is a member of office now",
      " is a member of office now",
      "pi waits to become a member",
    ]);
  });

  it("keeps no more than 200 events, the latest", async () => {
    const { daemon, until } = watch();
    await until(({ view }) => view !== undefined);
    for (let i = 0; i < 250; i++) {
      const peers = [directPeer({ name: `name-${i}` })];
      daemon.say(someInfo({ peers }));
      await until(({ view }) => view?.peers[0]?.name === `name-${i}`);
    }
    const state = await until(() => true);
    expect(state.events.length).toBe(200);
    expect(state.events.at(-1)?.text).toBe("name-248 is called name-249 now");
  });
});
