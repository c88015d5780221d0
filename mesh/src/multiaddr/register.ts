/**
 * `import "sidewire-mesh/multiaddr"` registers the protocol `wg` with `@multiformats/multiaddr`.
 * @module sidewire-mesh/multiaddr
 */
import { registry } from "@multiformats/multiaddr";
import { wgCodec } from "./codec.js";

registry.addProtocol(wgCodec);

export { wgCodec };
