// A page's program, checked without Node's types, by the strictest settings.
import { Keypair, type RankedBroker, Router, type SendOptions, type SmartPipe } from "sidewire";
import { accept, connect, type Peer } from "sidewire/webrtc";

export async function greet(address: string, signal?: AbortSignal, timeoutMs?: number): Promise<number> {
  await using router = new Router(Keypair.generate(), { getTime: Date.now, accept: undefined });
  await router.start({ signal, timeoutMs });
  const pipe: SmartPipe = await router.pipe(address, { signal, encrypt: true });
  const options: SendOptions = { signal, timeoutMs };
  for await (const message of router.messages({ signal })) return await message.reply("hello", options);
  return await pipe.send("hello", options);
}

export const nameOf = (broker: RankedBroker): string => broker.host;

export async function meet(router: Router, address: string, signal?: AbortSignal): Promise<RTCDataChannel> {
  const stop = accept(router, (peer: Peer) => peer.channel.send("hello"), {
    from: (caller) => caller === address,
  });
  stop();
  await using peer = await connect(router, address, {
    signal,
    iceServers: [{ urls: "stun:stun.example.org" }],
  });
  peer.on("track", ({ streams }) => console.log(streams.length));
  return await peer.open("files", { ordered: false });
}
