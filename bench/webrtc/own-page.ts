/** A page that connects by sidewire/webrtc to another one, whose address it knows. */

import { Keypair, Router } from "../../src/index.js";
import { connect } from "../../src/webrtc/index.js";
import { mark } from "./opened.js";

const { secretKey, address, brokers } = JSON.parse(decodeURIComponent(location.hash.slice(1)));
mark("script");
const router = new Router(Keypair.fromSecretKey(secretKey), { getTime: Date.now, brokers });
router.on("broker", ({ state }) => {
  if (state === "open") mark("broker");
});
await connect(router, address, {
  onPeer: (peer) => peer.on("signal", ({ step, type }) => mark(`${type} ${step}`)),
});
