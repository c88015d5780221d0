/** @module sidewire-mesh */

export { MeshError, type MeshErrorCode } from "./errors.js";
export type * from "./info.js";
export { Mesh } from "./mesh.js";
export type { ChangeableOptions, MeshEvents, MeshOptions } from "./mesh-options.js";
export { bearerOf, endpointTextOf, formatWg, parseWg, type WgAddress, wgBytes } from "./multiaddr/wg.js";
export { linkLocalAddress } from "./overlay/link-local.js";
export { type Pair, pairOf } from "./pair.js";
