import { InvalidInputError, NoBrokerError, parseAddress, Router } from "sidewire";
import { accept } from "sidewire/webrtc";
import { shortOf } from "./badge.js";
import { ChatLog } from "./chat-log.js";
import { LocalStorageHintStore } from "./hint-store.js";
import { Peer, type PeerHandlers } from "./peer.js";
import { MAX_PEERS, Peers } from "./peers.js";
import { fetchSetup, type Setup } from "./setup.js";
import { Tab } from "./tab.js";
import { type BrokerRow, View } from "./view.js";

const view = new View();

main().catch((error: unknown) => {
  const why = error instanceof Error ? error.message : String(error);
  view.notice("page", `This page can't start: ${why}. See whether its server runs, then load it again.`);
});

async function main(): Promise<void> {
  const setup = await fetchSetup();
  const tab = new Tab();
  const router = new Router(tab.keys, {
    getTime: setup.getTime,
    brokers: setup.brokers,
    // All that comes here are the signals of WebRTC, which are sealed.
    requireEncryption: true,
    hintStore: new LocalStorageHintStore(),
  });
  view.showSelf(router.address, `${setup.url}#${router.address}`);

  const names = new Map(brokerRows(setup, router).map(({ host, name }) => [host, name]));
  const handlers: PeerHandlers = {
    onChange: (peer) => {
      // What was under way when a peer had to make room may still end.
      if (peers.get(peer.address) === peer) view.showPeer(peer);
    },
    onLine: (peer, text) => {
      log.add({ from: peer.address, text, fates: [] });
      view.showLine(peer.address, text);
    },
    onFate: (line, fate) => {
      log.setFate(line, fate);
      view.mark(line, fate);
    },
    nameOf: (host) => names.get(host) ?? host,
  };
  const peers = new Peers(
    (address) => new Peer(router, address, handlers),
    (peer) => {
      peer.close();
      view.removePeer(peer.address);
    },
  );
  const admit = (address: string, isWanted: boolean): Peer | undefined => {
    const peer = peers.admit(address, isWanted);
    const full = `${MAX_PEERS} peers are here, and there is no room for more: ${shortOf(address)} gets no answer.`;
    view.notice("room", peer === undefined ? full : undefined);
    return peer;
  };

  view.listen({
    say(text) {
      const numbers = [...peers].filter(isHere).map((peer) => peer.conversation.say(text));
      log.add({ text, fates: numbers.map((number) => [number, "under way"]) });
      view.showOwnLine(text, numbers);
    },
    control: (port, action) => void control(port, action),
  });
  const log = new ChatLog();
  for (const line of tab.kept.lines) {
    log.add(line);
    if (line.from !== undefined) view.showLine(line.from, line.text);
    else
      view.showOwnLine(
        line.text,
        line.fates.map(([number]) => number),
      );
    for (const [number, fate] of line.fates) view.mark(number, fate);
  }
  tab.keep(() => ({
    peers: [...peers].filter(isHere).map(({ address }) => address),
    lines: log.lines(),
    unfinished: Object.fromEntries([...peers].map((peer) => [peer.address, peer.conversation.unfinished()])),
  }));
  accept(router, () => {}, {
    from: (address) => admit(address, false)?.isLetIn() ?? false,
    onPeer: (connected) => peers.get(connected.address)?.use(connected),
  });
  let hasTried = false;
  const isLocal = /^(?:127\.|localhost$)/.test(new URL(setup.url).hostname);
  const showBrokers = (): void => {
    const rows = brokerRows(setup, router);
    view.showBrokers(rows);
    const isOpen = rows.some(({ stats }) => stats?.state === "open");
    hasTried ||= isOpen || rows.every(({ stats }) => stats?.state === "waiting");
    const lost = hasTried ? "offline" : "connecting";
    view.showReach(isOpen ? (isLocal ? "alone" : undefined) : lost);
  };
  router.on("broker", showBrokers);
  setInterval(showBrokers, 1000);
  showBrokers();
  addEventListener("online", () => {
    for (const peer of peers) if (peer.phase === "gone") peer.call();
  });

  // Calls begin while the brokers are still being connected to.
  const starting = start(router);
  const callInviter = (): void => {
    const invited = inviter();
    if (invited !== undefined && invited !== router.address) admit(invited, true)?.recover();
  };
  for (const address of tab.kept.peers) {
    const peer = admit(address, true);
    const unfinished = tab.kept.unfinished[address];
    if (unfinished !== undefined) peer?.restore(unfinished);
    peer?.recover();
  }
  callInviter();
  // Another link may be opened in a tab that shows the page already, which is not loaded again then.
  addEventListener("hashchange", callInviter);
  await starting;
}

/** Whether what is said is said to it: not to who is gone, nor to a stranger who waits to be accepted. */
function isHere({ phase }: Peer): boolean {
  return phase !== "gone" && phase !== "asking";
}

/** Waits for the first broker, as long as it takes; what the page shows meanwhile tells of it. */
async function start(router: Router): Promise<void> {
  try {
    await router.start();
  } catch (error) {
    if (!(error instanceof NoBrokerError)) throw error;
    await start(router);
  }
}

/** Starts or stops a broker. */
async function control(port: number, action: string): Promise<void> {
  try {
    const response = await fetch(`brokers/${port}/${action}`, { method: "POST" });
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
    view.notice("control", undefined);
  } catch (error) {
    view.notice("control", `The server didn't ${action} the broker on port ${port}: ${String(error)}`);
  }
}

/** Whose link was opened. */
function inviter(): string | undefined {
  view.notice("link", undefined);
  const hash = location.hash.slice(1);
  try {
    return hash === "" ? undefined : parseAddress(hash, "link");
  } catch (error) {
    if (!(error instanceof InvalidInputError)) throw error;
    view.notice("link", "This link is damaged: what stands behind its # is no address.");
    return undefined;
  }
}

function brokerRows({ brokers }: Setup, router: Router): (BrokerRow & { readonly host: string })[] {
  const { brokers: stats } = router.stats();
  return Object.entries(brokers.IPv4 ?? {}).map(([host, { ws = 0 }]) => ({
    host,
    port: ws,
    // The URL's parser undoes the spelling that keeps the hosts apart.
    name: new URL(`ws://${host}:${ws}`).host,
    stats: stats.find((broker) => broker.host === host),
  }));
}
