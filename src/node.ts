export { FileHintStore } from "./platform/file-hint-store.js";
