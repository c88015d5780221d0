/** @module sidewire-mesh */

export { MeshError, type MeshErrorCode } from "./errors.js";
export type * from "./info.js";
export { Mesh, type MeshEvents, type MeshOptions } from "./mesh.js";
export { linkLocalAddress } from "./overlay/link-local.js";
export { type Pair, pairOf } from "./pair.js";
