import { endpointTextOf, formatWg, parseWg } from "sidewire-mesh";

const key = "uAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
const address = `/ip4/192.168.1.50/udp/51820/wg/${key}/ip4/10.0.11.1/tcp/1616`;
const { bearer, publicKey, overlay } = parseWg(address);
if (bearer !== undefined) console.log(endpointTextOf(bearer)); // 192.168.1.50:51820
console.log(overlay); // /ip4/10.0.11.1/tcp/1616
console.log(formatWg({ bearer, publicKey, overlay }) === address); // true
