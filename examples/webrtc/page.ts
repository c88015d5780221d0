import { NoBrokerError, Router } from "sidewire";
import { LocalStorageHintStore } from "./hint-store.js";
import { Peer, type PeerHandlers } from "./peer.js";
import { fetchSetup, type Setup } from "./setup.js";
import { isFirst, Signaling } from "./signal.js";
import { Tab } from "./tab.js";
import { type BrokerRow, View } from "./view.js";

/** Strangers may have the link too; more than so many are not answered. */
const MAX_PEERS = 8;

const peers = new Map<string, Peer>();
const view = new View({
  say(text) {
    const numbers = [...peers.values()]
      .filter((peer) => peer.phase !== "gone")
      .map((peer) => peer.conversation.say(text));
    view.showOwnLine(text, numbers);
  },
  control: (port, action) => void fetch(`brokers/${port}/${action}`, { method: "POST" }),
});

main().catch((error: unknown) => view.notice(error instanceof Error ? error.message : String(error)));

async function main(): Promise<void> {
  const setup = await fetchSetup();
  const tab = new Tab();
  const router = new Router(tab.keys, {
    getTime: setup.getTime,
    brokers: setup.brokers,
    // An offer tells addresses, and its fingerprint is what the channel is trusted for.
    encrypt: true,
    requireEncryption: true,
    hintStore: new LocalStorageHintStore(),
  });
  const signaling = new Signaling(router);
  view.showSelf(router.address, `${setup.url}#${router.address}`);

  const names = new Map(brokerRows(setup, router).map(({ host, name }) => [host, name]));
  const handlers: PeerHandlers = {
    onChange: (peer) => view.showPeer(peer),
    onLine: (peer, text) => view.showLine(peer.address, text),
    onDelivered: (line) => view.markDelivered(line),
    nameOf: (host) => names.get(host) ?? host,
  };
  const peerAt = (address: string): Peer | undefined => {
    const known = peers.get(address);
    if (known !== undefined || peers.size === MAX_PEERS) return known;
    const peer = new Peer(router.address, address, signaling, handlers);
    peers.set(address, peer);
    tab.peers.add(address);
    return peer;
  };

  signaling.listen((from, signal) => {
    const peer = isFirst(signal) ? peerAt(from) : peers.get(from);
    peer?.receive(signal);
  });
  const showBrokers = (): void => view.showBrokers(brokerRows(setup, router));
  router.on("broker", showBrokers);
  setInterval(showBrokers, 1000);
  showBrokers();
  addEventListener("online", () => {
    for (const peer of peers.values()) peer.recover();
  });

  await start(router);
  const invited = inviter();
  if (invited !== undefined && invited !== router.address) tab.peers.add(invited);
  for (const address of tab.peers) peerAt(address)?.call();
}

/** Waits for the first broker, as long as it takes. */
async function start(router: Router): Promise<void> {
  try {
    await router.start();
    view.notice(undefined);
  } catch (error) {
    if (!(error instanceof NoBrokerError)) throw error;
    view.notice("No broker can be reached. They are tried again all the time.");
    await start(router);
  }
}

/** Whose link was opened. */
function inviter(): string | undefined {
  const address = location.hash.slice(1);
  if (address === "") return undefined;
  if (/^0[23][0-9a-f]{64}$/.test(address)) return address;
  view.notice("This link is damaged: what stands behind its # is no address.");
  return undefined;
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
