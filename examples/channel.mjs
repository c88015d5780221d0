import { Keypair, Router } from "sidewire";
import { accept, connect } from "sidewire/webrtc";
import { RTCPeerConnection } from "werift"; // Node has none of its own; in a page leave it out

const options = { getTime: Date.now };
const ben = new Router(Keypair.generate(), options);
const ann = new Router(Keypair.generate(), options);

accept(
  ben,
  (peer) => {
    peer.channel.onmessage = ({ data }) => peer.channel.send(`Ben got: ${data}`);
  },
  { from: (address) => address === ann.address, RTCPeerConnection }, // Ben answers Ann and nobody else
);
await ben.start();

const peer = await connect(ann, ben.address, { RTCPeerConnection });
const reply = new Promise((resolve) => {
  peer.channel.onmessage = ({ data }) => resolve(data);
});
peer.channel.send("hello");
console.log(await reply);
await Promise.all([ann.close(), ben.close()]);
