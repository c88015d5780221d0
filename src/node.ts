/** @module sidewire/node */

export { FileHintStore } from "./node/file-hint-store.js";
export { type NtpClock, type NtpClockOptions, ntpClock } from "./node/ntp-clock.js";
export { type IpVersion, lookUp } from "./platform/look-up.js";
