export { MeshError, type MeshErrorCode } from "./errors.js";
export { linkLocalAddress } from "./overlay/link-local.js";
export { type Pair, pairOf } from "./pair.js";
