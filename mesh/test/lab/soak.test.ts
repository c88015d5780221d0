import { readdirSync, readFileSync, rmSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { expect, it } from "vitest";
import { median } from "../../../bench/statistics.js";
import { BrokerWatch } from "../../bench/broker-watch.js";
import type { Lab, Nat } from "../../lab/index.js";
import { LabMember, until } from "../support/lab-member.js";
import { withLab } from "../support/needs.js";

/** How long it lasts: 20 minutes are what `mesh/bench/RESULTS.md` shows. */
const MINUTES = Number(process.env.SOAK_MINUTES ?? 0.5);
const IS_LONG = process.env.SOAK_MINUTES !== undefined;
/** How often something happens, and how often it is looked at what is used, ms. */
const STEP_MS = IS_LONG ? 15_000 : 4_000;
const SAMPLE_MS = IS_LONG ? 5_000 : 1_000;

/** Each has two uplinks, and changes from one to the other. */
const MOVING = ["m1", "m2", "m3", "m4"].slice(0, IS_LONG ? 4 : 1);
/** These do nothing. The first is the admin. */
const STAYING = ["s1", "s2", "s3", "s4", "s5"].slice(0, IS_LONG ? 5 : 2);
/** Ends cleanly and comes back; is killed and comes back. */
const [RESTARTED, KILLED] = ["r1", "k1"];
/** One of the two is a member: it is removed, and the other one joins. */
const TAKING_TURNS = ["t1", "t2"];
/** Members at any time: 12, and 6 in the short run. */
const MEMBERS: number = STAYING.length + MOVING.length + 3;

/** How long a busy machine may take for what is done in seconds else, ms. */
const PATIENCE_MS = 180_000;

/** What one process or box may use more at the end than at the beginning: a heap is not the same size all the time. */
const MAX_GROWTH_MB = 10;
const MAX_MORE_FILES = 4;
/** Flows that a box may know: 11 peers at four places each, brokers and STUN servers, and those of before a move. */
const MAX_FLOWS = 2 * (11 * 4 + 16);

/**
 * Messages over the brokers that one event causes at most, acknowledgements included. The others announce themselves
 * again to who has come back or moved, and it to them; of rosters, who starts asks 8 and all admins; what an admin says
 * goes to each member, and each passes on to 4 that there is news.
 */
const PER_PAIR = 2 * 4;
const OTHERS = MEMBERS - 1;
const PER_MOVE = OTHERS * PER_PAIR;
const PER_START = OTHERS * PER_PAIR + 2 * 2 * 9;
const PER_STATEMENT = 2 * (OTHERS + OTHERS * 4 * 2);
const PER_TURN = PER_START + 2 * PER_STATEMENT + 2 * 4;

interface Sample {
  /** Of each process that lives all the time, MB. */
  readonly memory: readonly number[];
  readonly files: readonly number[];
  /** Of each NAT box. */
  readonly flows: readonly number[];
}

withLab("a soak", (startLab) => {
  it("of nodes that come, go and move leaves memory, files and flows as they were", {
    timeout: MINUTES * 60_000 + 5 * PATIENCE_MS,
  }, async () => {
    const singles = [...STAYING.slice(2), RESTARTED, KILLED, ...TAKING_TURNS];
    await using lab = await startLab({
      nats: Object.fromEntries(
        [...MOVING.flatMap((name) => [`${name}a`, `${name}b`]), ...singles.map((name) => `n${name}`)].map(
          (name) => [name, { kind: "port-restricted" }],
        ),
      ),
      hosts: {
        ...Object.fromEntries(STAYING.slice(0, 2).map((name) => [name, {}])),
        ...Object.fromEntries(
          MOVING.map((name) => [name, { behind: [`${name}a`, `${name}b`], down: ["eth1"] }]),
        ),
        ...Object.fromEntries(singles.map((name) => [name, { behind: `n${name}` }])),
      },
      brokers: 1,
      stun: true,
    });
    const boxes = [
      ...MOVING.flatMap((name) => [`${name}a`, `${name}b`]),
      ...singles.map((name) => `n${name}`),
    ];
    const watch = await BrokerWatch.start(lab);
    const mesh = await Mesh.start(lab);
    const lasting = [...STAYING, ...MOVING].map((name) => mesh.member(name).pid);
    const sample = async (): Promise<Sample> => ({
      memory: lasting.map(memoryOf),
      files: lasting.map((pid) => readdirSync(`/proc/${pid}/fd`).length),
      flows: await Promise.all(boxes.map((box) => flowsOf(lab.nat(box)))),
    });

    const startedAt = Date.now();
    const samples: Sample[] = [];
    let allowed = 0;
    let [messages, countedTo] = [0, startedAt];
    const count = (): void => {
      const now = watch.messages().filter(({ time }) => time > countedTo);
      messages += now.length;
      countedTo = now.at(-1)?.time ?? countedTo;
    };
    let [nextStep, step] = [startedAt, 0];
    while (Date.now() - startedAt < MINUTES * 60_000) {
      if (Date.now() >= nextStep) {
        nextStep += STEP_MS;
        allowed += await mesh.churn(step++);
      }
      samples.push(await sample());
      count();
      await delay(SAMPLE_MS);
    }
    await mesh.isWhole();
    count();
    samples.push(await sample());

    const cut = (i: number): number => Math.round((i * samples.length) / 4);
    // All four show whether what grew has come to rest.
    const quarters = [0, 1, 2, 3].map((i) => samples.slice(cut(i), cut(i + 1)));
    const [first = [], last = []] = [quarters.at(0), quarters.at(-1)];
    const medians = (part: readonly Sample[], of: keyof Sample): number[] =>
      (part[0]?.[of] ?? []).map((_, i) => median(part.map((one) => one[of][i] ?? 0)));
    const minutes = (Date.now() - startedAt) / 60_000;
    console.log(
      [
        `${step} events in ${minutes.toFixed(1)} minutes, ${samples.length} samples; medians of each quarter`,
        ...(["memory", "files", "flows"] as const).map(
          (of) => `${of}: ${quarters.map((one) => medians(one, of).map(round).join(" ")).join(" → ")}`,
        ),
        `messages over the brokers: ${messages}, at most ${allowed}; a node and minute: ${(messages / minutes / MEMBERS).toFixed(1)}`,
      ].join("\n"),
    );
    const growth = (of: keyof Sample): number[] => {
      const before = medians(first, of);
      return medians(last, of).map((now, i) => now - (before[i] ?? 0));
    };
    expect(Math.max(...growth("memory"))).toBeLessThan(MAX_GROWTH_MB);
    expect(Math.max(...growth("files"))).toBeLessThanOrEqual(MAX_MORE_FILES);
    expect(Math.max(...samples.flatMap(({ flows }) => flows))).toBeLessThan(MAX_FLOWS);
    // In a short run, what meeting for the first time has left to say is most of it.
    if (IS_LONG) expect(messages).toBeLessThanOrEqual(allowed);
  });
});

/** Twelve members of a network, of which some come, go and move. */
class Mesh {
  readonly #lab: Lab;
  readonly #members = new Map<string, LabMember>();
  #turn = 0;
  readonly #uplinks = new Map(MOVING.map((name) => [name, 0]));

  private constructor(lab: Lab, admin: LabMember) {
    this.#lab = lab;
    this.#members.set(admin.host.name, admin);
  }

  static async start(lab: Lab): Promise<Mesh> {
    const [admin = ""] = STAYING;
    const first = patient(new LabMember(lab, admin));
    const token = await first.found("--uses", `${MEMBERS}`);
    const mesh = new Mesh(lab, first);
    const others = [...STAYING.slice(1), ...MOVING, RESTARTED, KILLED, ...TAKING_TURNS.slice(0, 1)];
    // Twenty at once is another test.
    for (const name of others) await mesh.#join(name, token);
    await mesh.isWhole();
    return mesh;
  }

  member(name: string): LabMember {
    return this.#members.get(name) ?? expect.fail(name);
  }

  /** Resolves when each has met all others. */
  async isWhole(): Promise<void> {
    for (const member of this.#members.values()) {
      let reached: readonly string[] = [];
      const isWhole = async (): Promise<boolean> => {
        reached = await member.reached();
        return reached.length === MEMBERS - 1;
      };
      // The command itself takes time of the processors.
      await until(isWhole, PATIENCE_MS, 1000).catch(async (error: unknown) => {
        throw new Error(
          `${member.host.name} reaches ${reached.length} of ${MEMBERS - 1}: ${await member.ask("status")}`,
          {
            cause: error,
          },
        );
      });
    }
  }

  /** Something happens. @returns how many messages it may cause */
  async churn(step: number): Promise<number> {
    const events = [
      ...MOVING.map((name) => (): Promise<number> => this.#move(name)),
      (): Promise<number> => this.#restart(RESTARTED, (member) => member.stop()),
      (): Promise<number> => this.#restart(KILLED, async (member) => member.kill()),
      (): Promise<number> => this.#takeTurns(),
    ];
    return (await events[step % events.length]?.()) ?? 0;
  }

  async #join(name: string, token: string): Promise<void> {
    const member = patient(new LabMember(this.#lab, name));
    this.#members.set(name, member);
    member.join(token);
    await member.ready();
  }

  async #move(name: string): Promise<number> {
    const from = this.#uplinks.get(name) ?? 0;
    const { host } = this.member(name);
    await host.up(`eth${1 - from}`);
    await host.down(`eth${from}`);
    this.#uplinks.set(name, 1 - from);
    return PER_MOVE;
  }

  async #restart(name: string, end: (member: LabMember) => Promise<void>): Promise<number> {
    const member = this.member(name);
    await end(member);
    await member.up();
    return PER_START;
  }

  async #takeTurns(): Promise<number> {
    const [out = "", into = ""] = this.#turn++ % 2 === 0 ? TAKING_TURNS : TAKING_TURNS.toReversed();
    const leaving = this.member(out);
    const admin = this.member(STAYING[0] ?? "");
    await admin.ask("remove", out);
    await leaving.stop();
    this.#members.delete(out);
    // The key that was removed never comes back.
    rmSync(leaving.stateFolder, { recursive: true });
    await this.#join(into, await admin.invite());
    return PER_TURN;
  }
}

function patient(member: LabMember): LabMember {
  member.patienceMs = PATIENCE_MS;
  return member;
}

/** Resident memory of a process, MB. */
function memoryOf(pid: number): number {
  return (Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024) / 1e6;
}

/** Flows that a box knows. */
async function flowsOf({ namespace }: Nat): Promise<number> {
  return Number(await namespace.run(["cat", "/proc/sys/net/netfilter/nf_conntrack_count"]));
}

function round(value: number): string {
  return value.toFixed(value % 1 === 0 ? 0 : 1);
}
