import { InvalidInputError, NoBrokerError, Router } from "sidewire";
import { shortOf } from "./badge.js";
import { LocalStorageHintStore } from "./hint-store.js";
import { isCall } from "./pairing.js";
import { Peer, type PeerHandlers } from "./peer.js";
import { MAX_PEERS, Peers } from "./peers.js";
import { fetchSetup, type Setup } from "./setup.js";
import { Signaling } from "./signal.js";
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
    // An offer tells addresses, and its fingerprint is what the channel is trusted for.
    encrypt: true,
    requireEncryption: true,
    hintStore: new LocalStorageHintStore(),
  });
  const signaling = new Signaling(router);
  view.showSelf(router.address, `${setup.url}#${router.address}`);

  const names = new Map(brokerRows(setup, router).map(({ host, name }) => [host, name]));
  const handlers: PeerHandlers = {
    onChange: (peer) => {
      // What was under way when a peer had to make room may still end.
      if (peers.get(peer.address) !== peer) return;
      if (!isHere(peer)) tab.peers.delete(peer.address);
      else tab.peers.add(peer.address);
      view.showPeer(peer);
    },
    onLine: (peer, text) => view.showLine(peer.address, text),
    onFate: (line, fate) => view.mark(line, fate),
    nameOf: (host) => names.get(host) ?? host,
  };
  const peers = new Peers(
    (address) => new Peer(router.address, address, signaling, handlers),
    (peer) => {
      peer.close();
      signaling.leave(peer.address);
      tab.peers.delete(peer.address);
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
      const present = [...peers].filter(isHere);
      view.showOwnLine(
        text,
        present.map((peer) => peer.conversation.say(text)),
      );
    },
    control: (port, action) => void control(port, action),
  });
  signaling.listen((from, signal) => {
    const peer = isCall(signal) ? admit(from, false) : peers.get(from);
    peer?.receive(signal);
  });
  const showBrokers = (): void => view.showBrokers(brokerRows(setup, router));
  router.on("broker", showBrokers);
  setInterval(showBrokers, 1000);
  showBrokers();
  addEventListener("online", () => {
    for (const peer of peers) if (peer.phase !== "asking") peer.recover();
  });

  await start(router);
  const callInviter = async (): Promise<void> => {
    const invited = await inviter(router);
    if (invited !== undefined && invited !== router.address) admit(invited, true)?.recover();
  };
  for (const address of tab.peers) admit(address, true)?.recover();
  void callInviter();
  // Another link may be opened in a tab that shows the page already, which is not loaded again then.
  addEventListener("hashchange", () => void callInviter());
}

/** Whether what is said is said to it: not to who is gone, nor to a stranger who waits to be accepted. */
function isHere({ phase }: Peer): boolean {
  return phase !== "gone" && phase !== "asking";
}

/** Waits for the first broker, as long as it takes. */
async function start(router: Router): Promise<void> {
  try {
    await router.start();
    view.notice("brokers", undefined);
  } catch (error) {
    if (!(error instanceof NoBrokerError)) throw error;
    view.notice("brokers", "No broker can be reached. They are tried again all the time.");
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
async function inviter(router: Router): Promise<string | undefined> {
  const address = location.hash.slice(1).toLowerCase();
  view.notice("link", undefined);
  if (address === "") return undefined;
  try {
    // Making a pipe tells whether it is a key at all.
    const pipe = await router.pipe(address);
    pipe.close();
  } catch (error) {
    if (error instanceof InvalidInputError) {
      view.notice("link", "This link is damaged: what stands behind its # is no address.");
      return undefined;
    }
  }
  return address;
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
