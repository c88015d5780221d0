import { multiaddr } from "@multiformats/multiaddr";
import "sidewire-mesh/multiaddr";

const key = "uAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
console.log(multiaddr(`/ip4/192.0.2.1/udp/51820/wg/${key}`).getComponents());
