export { FileHintStore } from "./platform/file-hint-store.js";
export { type NtpClock, type NtpClockOptions, ntpClock } from "./platform/ntp-clock.js";
