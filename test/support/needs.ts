/**
 * What tests need besides Node, npm and what every Linux has. Who needs one of these programs asks for it here, and
 * gets what starts it only inside of tests that are left out where it is missing.
 */
import { execFileSync, spawnSync } from "node:child_process";
import type { Browser } from "playwright-core";
import { describe, type SuiteOptions } from "vitest";
import { type BrokerProcess, startAedes } from "./broker-process.js";
import { findChromium, launchChromium } from "./chromium.js";
import { find } from "./find.js";
import { mosquittoAt, type RunMosquitto, startMosquitto } from "./mosquitto.js";
import { type Nats, type NatsOptions, startNats } from "./nats.js";
import { PythonPeer } from "./python.js";
import { type Rabbitmq, type RabbitmqOptions, startRabbitmq } from "./rabbitmq.js";

declare module "vitest" {
  interface TaskMeta {
    /** What a test is left out without. */
    needs?: string;
  }
}

function runs(program: string, ...args: readonly string[]): boolean {
  try {
    execFileSync(program, [...args], { stdio: "ignore", timeout: 10_000 });
    return true;
  } catch {
    return false;
  }
}

type Tests<T> = (given: T) => void;

/** Tests that need something, as `describe` has them; they are given what starts it. */
type Asking<T> = (
  name: string,
  ...rest: [tests: Tests<T>] | [options: SuiteOptions, tests: Tests<T>]
) => void;

function asking<T>(needs: string, look: () => string | undefined, give: (program: string) => T): Asking<T> {
  return (name, ...rest) => {
    const [options, tests] = rest.length === 1 ? [{}, rest[0]] : rest;
    const program = look();
    // Vitest calls it in any case, to know what is left out.
    describe.skipIf(program === undefined)(name, { ...options, meta: { needs } }, () =>
      tests(give(program ?? "")),
    );
  };
}

export type { RunMosquitto };

/** Those that are about mosquitto itself. */
export const withMosquitto: Asking<RunMosquitto> = asking("mosquitto", () => find("mosquitto"), mosquittoAt);

export type StartNats = (options: NatsOptions) => Promise<Nats & AsyncDisposable>;

export const withNats: Asking<StartNats> = asking(
  "NATS",
  () => find("nats-server"),
  (program) => (options) => startNats(program, options),
);

export type StartRabbitmq = (options: RabbitmqOptions) => Promise<Rabbitmq & AsyncDisposable>;

export const withRabbitmq: Asking<StartRabbitmq> = asking(
  "RabbitMQ",
  () => find("epmd") && find("rabbitmq-server"),
  (server) => (options) => startRabbitmq({ server, epmd: find("epmd") ?? "" }, options),
);

/** Starts a browser without a window, with these arguments. */
export type LaunchChromium = (...args: readonly string[]) => Promise<Browser>;

export const withChromium: Asking<LaunchChromium> = asking(
  "Chromium",
  findChromium,
  (program) =>
    (...args) =>
      launchChromium(program, args),
);

/** A Python that has what a peer needs. */
export interface Python {
  readonly path: string;
  startPeer(): Promise<PythonPeer>;
}

export const withPython: Asking<Python> = asking(
  "Python with ecdsa and paho-mqtt",
  () => find("python3", (path) => runs(path, "-c", "import ecdsa, paho.mqtt.client")),
  (path) => ({ path, startPeer: () => PythonPeer.start(path) }),
);

/** The command that runs another in a terminal. */
export type InTerminal = (command: readonly string[], columns?: number) => string[];

export const withTerminal: Asking<InTerminal> = asking(
  "the `script` of util-linux",
  () => find("script", (path) => runs(path, "--version")),
  (script) =>
    (command, columns = 80) => {
      const quoted = command.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
      return [script, "-qefc", `stty rows 24 cols ${columns}; exec ${quoted}`, "/dev/null"];
    },
);

const mosquitto = find("mosquitto");

/** They are started by a script, in which they are found. */
export const withShells: Asking<undefined> = asking(
  "zsh and fish",
  () => (find("zsh") === undefined ? undefined : find("fish")),
  () => undefined,
);

/** What mandoc warns of in a manual page. */
export type ProblemsOf = (page: string) => string[];

export const withMandoc: Asking<ProblemsOf> = asking(
  "mandoc",
  () => find("mandoc"),
  (program) => (page) => {
    const { stdout } = spawnSync(program, ["-T", "lint", "-W", "warning"], { input: page, encoding: "utf8" });
    const lines = stdout.split("\n").filter((line) => line !== "");
    // A page that is made at each build has no date of its own.
    return lines.filter((line) => !line.includes("missing date"));
  },
);

/** What {@link startBroker} starts. */
export const brokerName: string = mosquitto === undefined ? "aedes" : "mosquitto";

/**
 * Starts a broker in a process of its own, which can be killed, frozen and started again: mosquitto, or aedes where
 * that is missing. No test that needs no more than this is left out.
 */
export async function startBroker(host?: string): Promise<BrokerProcess & AsyncDisposable> {
  return await (mosquitto === undefined ? startAedes(host) : startMosquitto(mosquittoAt(mosquitto), host));
}
