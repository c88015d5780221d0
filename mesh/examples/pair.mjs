import { linkLocalAddress, pairOf } from "sidewire-mesh";

const privateKey = crypto.getRandomValues(new Uint8Array(32));
const publicKey = Uint8Array.from({ length: 32 }, (_, i) => i); // the peer's
console.log(linkLocalAddress(publicKey)); // fe80::ae5b:d8ef:ea53:22c4
const { ownAddress, remoteAddress } = pairOf(privateKey, publicKey); // and secretKey, probeKey
console.log(`${ownAddress} talks to ${remoteAddress}`);
