/** A page that meets another one in a room of Trystero's MQTT strategy. */

import { joinRoom } from "@trystero-p2p/mqtt";
import { mark } from "./opened.js";

const { room, urls } = JSON.parse(decodeURIComponent(location.hash.slice(1)));
mark("script");
joinRoom(
  {
    appId: "sidewire-bench",
    relayConfig: { urls, redundancy: urls.length },
    // No STUN server: both pages are on this machine.
    rtcConfig: { iceServers: [] },
  },
  room,
);
