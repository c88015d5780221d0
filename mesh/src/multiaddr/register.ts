/**
 * `import "sidewire-mesh/multiaddr"` teaches `@multiformats/multiaddr` the protocol `wg`.
 * @module sidewire-mesh/multiaddr
 */
import { registry } from "@multiformats/multiaddr";
import { wgCodec } from "./codec.js";

registry.addProtocol(wgCodec);

export { wgCodec };
