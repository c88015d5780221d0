/**
 * A page that does as little as can be done: it signs, seals and acknowledges nothing, and nothing is sent again. What it
 * takes is what the browser and the brokers take.
 */

import { connectPacket, PacketType, publishPacket, subscribePacket } from "../../src/brokers/mqtt-packets.js";
import { mark } from "./opened.js";

const { own, other, isCaller, urls } = JSON.parse(decodeURIComponent(location.hash.slice(1)));
mark("script");

const ready: WebSocket[] = [];
let description: RTCSessionDescription | null = null;
let pc: RTCPeerConnection | undefined;

for (const url of urls) {
  const webSocket = new WebSocket(url, "mqtt");
  webSocket.binaryType = "arraybuffer";
  webSocket.onopen = () => {
    webSocket.send(bytes(connectPacket({ clientId: crypto.randomUUID().slice(0, 20), keepAliveS: 60 })));
    webSocket.send(bytes(subscribePacket(1, [own])));
  };
  webSocket.onmessage = ({ data }) => take(webSocket, new Uint8Array(data));
}
if (isCaller) void offer();

function take(webSocket: WebSocket, packet: Uint8Array): void {
  const type = (packet[0] ?? 0) >> 4;
  if (type === PacketType.Suback) {
    ready.push(webSocket);
    mark("broker");
    // The other page may have subscribed later than something was sent to it.
    if (!isCaller) publish(webSocket, "");
    else if (description !== null) publish(webSocket, JSON.stringify(description));
  } else if (type === PacketType.Publish) {
    const text = new TextDecoder().decode(packet);
    const at = text.indexOf("{");
    if (at >= 0) void described(JSON.parse(text.slice(at)));
    else if (description !== null) publish(webSocket, JSON.stringify(description));
  }
}

async function offer(): Promise<void> {
  pc = new RTCPeerConnection();
  pc.createDataChannel("floor", { negotiated: true, id: 0 });
  await pc.setLocalDescription();
  await gathered(pc);
  tell(pc);
}

async function described(theirs: RTCSessionDescriptionInit): Promise<void> {
  if (isCaller) {
    if (pc?.signalingState === "have-local-offer") await pc.setRemoteDescription(theirs);
    return;
  }
  if (pc !== undefined) return;
  pc = new RTCPeerConnection();
  pc.createDataChannel("floor", { negotiated: true, id: 0 });
  await pc.setRemoteDescription(theirs);
  await pc.setLocalDescription();
  await gathered(pc);
  tell(pc);
}

function tell({ localDescription }: RTCPeerConnection): void {
  description = localDescription;
  for (const webSocket of ready) publish(webSocket, JSON.stringify(description));
}

async function gathered(connection: RTCPeerConnection): Promise<void> {
  while (connection.iceGatheringState !== "complete")
    await new Promise((resolve) =>
      connection.addEventListener("icegatheringstatechange", resolve, { once: true }),
    );
}

function publish(webSocket: WebSocket, text: string): void {
  webSocket.send(bytes(publishPacket(other, new TextEncoder().encode(text))));
}

/** Nothing here is in shared memory, so the cast is safe. */
function bytes(packet: Uint8Array): Uint8Array<ArrayBuffer> {
  return packet as Uint8Array<ArrayBuffer>;
}
