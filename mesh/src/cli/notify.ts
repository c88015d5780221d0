import { spawn } from "node:child_process";

/** Half of what systemd allows, as sd_watchdog_enabled(3) recommends. */
const WATCHDOG_SHARE = 2;

/**
 * Tells systemd how the daemon is, where systemd wants to know. By `systemd-notify`, since Node has no datagram sockets
 * of the kind that systemd listens at; without systemd and without that program nothing is told.
 */
export class Notifier {
  readonly #env: NodeJS.ProcessEnv;
  readonly #onMissing: () => void;
  #watchdog: NodeJS.Timeout | undefined;
  #isMissing = false;
  #lastStatus = "";

  /** @param onMissing - told once, when systemd waits for word and the program for it is not there */
  constructor(env: NodeJS.ProcessEnv, onMissing: () => void) {
    this.#env = env;
    this.#onMissing = onMissing;
  }

  /** It is up. From now on the watchdog is told that it lives. */
  ready(status: string): void {
    this.#lastStatus = status;
    this.#tell("READY=1", `STATUS=${status}`);
    const { WATCHDOG_USEC, WATCHDOG_PID } = this.#env;
    const usec = Number(WATCHDOG_USEC ?? 0);
    const isOurs = WATCHDOG_PID === undefined || Number(WATCHDOG_PID) === process.pid;
    if (!isOurs || !(usec > 0)) return;
    this.#watchdog = setInterval(() => this.#tell("WATCHDOG=1"), usec / 1000 / WATCHDOG_SHARE);
    this.#watchdog.unref();
  }

  status(status: string): void {
    if (status === this.#lastStatus) return;
    this.#lastStatus = status;
    this.#tell(`STATUS=${status}`);
  }

  stopping(): void {
    this.#tell("STOPPING=1", "STATUS=putting back what was changed");
  }

  stop(): void {
    clearInterval(this.#watchdog);
  }

  #tell(...words: readonly string[]): void {
    if (!this.#env.NOTIFY_SOCKET || this.#isMissing) return;
    const child = spawn("systemd-notify", [...words], { stdio: "ignore", env: this.#env });
    child.unref();
    child.once("error", () => {
      if (!this.#isMissing) this.#onMissing();
      this.#isMissing = true;
    });
  }
}
