import type { Transport } from "../../src/index.js";
import type { Runtimes } from "./scratch.js";

/** What it is to do, in a command or a variable. */
export const JOB = "{job}";

/** A server that tells the time, likewise. */
export const TIME = "{time}";

/** What happens in one process. */
export interface Run {
  readonly command: readonly string[];
  /** What it talks over, sealed and not; nothing, where it only has to say that it works. */
  readonly transports: readonly Transport[];
  /** How it trusts the test's certificates, for which it must not take them, then, for what they are not. */
  readonly trusts: "by ca" | "by variable" | "nobody";
  /** Its variables besides those of this process; none at all, not even those, where it is null. */
  readonly env?: Readonly<Record<string, string>> | null;
  /** The user that it runs as. */
  readonly uid?: number;
}

/** A row of the README's table. */
export interface Row {
  readonly name: string;
  readonly runs: readonly Run[];
  readonly notes: string;
}

const WHOLE = { transports: ["mqtt", "mqtts", "ws", "wss"], trusts: "by ca" } as const;

/** Without certificates, which would have to be allowed as well. */
const BARE = { transports: ["mqtt", "ws"], trusts: "nobody", env: null } as const;

/** What says nothing: it only has to end well. */
const SILENT = { ...BARE, transports: [] } as const;

const RANK = [
  "node_modules/sidewire/dist/cli.js",
  "rank",
  "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
  "--brokers",
  "pool.json",
];

/** A user whom this machine does not know. */
const NOBODY = process.getuid?.() === 0 ? { uid: 54_321 } : {};

/** Where the package works, as the README has it. */
export function tableOf({ node20, node22, node24, bun, deno, jest }: Runtimes): Row[] {
  const denoRun = [deno, "run", "--no-prompt", "--allow-net"];
  const jestRun = [node20, jest, "--rootDir=.", "--testMatch=**/talks.test.cjs"];
  return [
    {
      name: "Node 20, 22, 24",
      runs: [node20, node22, node24].map((node) => ({ ...WHOLE, command: [node, "talks.mjs", JOB] })),
      notes: "from 20.19 on; also when esbuild has bundled it",
    },
    {
      name: "Bun 1.4",
      runs: [{ ...WHOLE, command: [bun, "talks.mjs", JOB] }],
      notes:
        "signs, checks and seals in JavaScript, as browsers do: the `node:crypto` of Bun lacks the curve and the cipher",
    },
    {
      name: "Deno 2.9",
      runs: [{ ...WHOLE, command: [...denoRun, "--allow-sys", "talks.mjs", JOB] }],
      notes: "with `--allow-net`; the option `ca` needs `--allow-sys` as well",
    },
    {
      name: "Jest 30",
      runs: [{ ...WHOLE, command: [...jestRun, "--env=node"], env: { TALKS: JOB } }],
      notes: "by `require`, on Node 20",
    },
    {
      name: "Jest 30, jsdom",
      runs: [
        {
          command: [...jestRun, "--env=jsdom"],
          transports: ["ws", "wss"],
          trusts: "by variable",
          env: { NODE_EXTRA_CA_CERTS: "ca.pem", TALKS: JOB },
        },
      ],
      notes: "the build for browsers, by `require`",
    },
  ];
}

/** What else has to work, by what is special about it. */
export function othersOf({ node20, node24, bun, deno }: Runtimes): Record<string, Run> {
  const denoRun = [deno, "run", "--no-prompt"];
  return {
    "Node: no home, no variable, no name": {
      ...BARE,
      ...NOBODY,
      command: [process.execPath, "talks.mjs", JOB],
    },
    "Bun: no home, no variable": { ...BARE, command: [bun, "talks.mjs", JOB] },
    "Node: no list of interfaces": {
      ...BARE,
      command: [node20, "--import=./no-interfaces.mjs", "talks.mjs", JOB],
    },
    "Node: the permission to read alone": {
      ...BARE,
      command: [node24, "--permission", "--allow-fs-read=.", "talks.mjs", JOB],
    },
    "Node: bundled by esbuild as an ES module": { ...WHOLE, command: [node20, "../bundled/talks.mjs", JOB] },
    "Node: bundled by esbuild as CommonJS": { ...WHOLE, command: [node20, "../bundled/talks.cjs", JOB] },
    "Deno: the permission to connect alone": {
      ...BARE,
      command: [...denoRun, "--allow-net", "talks.mjs", JOB],
    },
    "Bun: hints in a file, time from a server": { ...SILENT, command: [bun, "own.mjs", TIME] },
    "Deno: hints in a file, time from a server": {
      ...SILENT,
      command: [...denoRun, "--allow-net", "--allow-read=.", "--allow-write=.", "own.mjs", TIME],
    },
    "Bun: the command": { ...SILENT, command: [bun, ...RANK] },
    "Deno: the command": { ...SILENT, command: [deno, "run", "--allow-all", ...RANK] },
    "Deno: loaded without any permission": { ...SILENT, command: [...denoRun, "load.mjs"] },
  };
}
