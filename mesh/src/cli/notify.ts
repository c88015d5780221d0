import { spawn } from "node:child_process";

/** The watchdog is told at half of the interval that systemd allows, as sd_watchdog_enabled(3) recommends. */
const WATCHDOG_SHARE = 2;

/**
 * Tells systemd the state of the daemon, if systemd wants to know. The program `systemd-notify` is used, because Node
 * has no Unix datagram sockets, and systemd listens at such a socket. Without systemd or that program, nothing is told.
 */
export class Notifier {
  readonly #env: NodeJS.ProcessEnv;
  readonly #onMissing: () => void;
  #watchdog: NodeJS.Timeout | undefined;
  #isMissing = false;
  #lastStatus = "";

  /** @param onMissing - called once, when systemd expects messages but the program is missing */
  constructor(env: NodeJS.ProcessEnv, onMissing: () => void) {
    this.#env = env;
    this.#onMissing = onMissing;
  }

  /** Tells systemd that the daemon is up. From now on the watchdog gets its messages. */
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
