import { CommanderError } from "commander";
import { DescribedCommand } from "../../../grammar/described-command.js";
import { version } from "../../package.json";
import { collect, list, notEmpty, wholeNumber } from "./argument.js";
import { withDaemonOptions } from "./daemon-options.js";
import type { DoctorOptions } from "./doctor.js";
import { endingOf, reasonOf, UsageError } from "./failure.js";
import type { Action, Choose, Platforms } from "./grammar.js";
import { describeFormats } from "./grammar-formats.js";
import { describeService } from "./grammar-service.js";
import { describeShell } from "./grammar-shell.js";
import { describeUp } from "./grammar-up.js";
import { describeWeb } from "./grammar-web.js";
import { Interrupt } from "./interrupt.js";
import type { InviteOptions } from "./invite.js";
import type { JoinOptions } from "./join.js";
import type { MembersOptions, SetOptions } from "./members.js";
import type { NetcheckOptions } from "./netcheck.js";
import { Output } from "./output.js";
import type { PingOptions } from "./ping.js";
import type { StatusOptions } from "./status.js";

/** The surroundings that tests replace. */
export interface Surroundings {
  readonly platform?: NodeJS.Platform;
}

/** Runs a command line. @returns the exit code of the process */
export async function run(
  args: readonly string[],
  { platform = process.platform }: Surroundings = {},
): Promise<number> {
  const interrupt = new Interrupt();
  interrupt.watch();
  const json = asksForJson(args);
  const exitCode = await runCommand(args, json, interrupt, platform);
  interrupt.stop();
  // The last write may still fail.
  await new Promise<void>((resolve) => process.stdout.write("", () => resolve()));
  const { writeError } = interrupt;
  if (writeError === undefined) return exitCode;
  const message = `cannot write to stdout: ${reasonOf(writeError)}`;
  new Output(json).fail({ exitCode: 1, code: "FILE", message });
  return 1;
}

async function runCommand(
  args: readonly string[],
  json: boolean,
  interrupt: Interrupt,
  platform: NodeJS.Platform,
): Promise<number> {
  const output = new Output(json);
  let wanted: Action | undefined;
  let platforms: Platforms = "linux";
  const program = describe(json, (action, where = "linux") => {
    wanted = action;
    platforms = where;
  });
  try {
    program.parse([...args], { from: "user" });
    if (wanted === undefined) throw new UsageError("a command is missing");
    if (platform !== "linux" && platforms === "linux") {
      const message = `sidewire-mesh runs on Linux alone, and this is ${platform}`;
      output.fail({ exitCode: 2, code: "UNSUPPORTED", message });
      return 2;
    }
    return await wanted({ output, env: process.env, signal: interrupt.signal });
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    // An error that an interrupt has caused is not reported.
    if (interrupt.exitCode !== undefined) return interrupt.exitCode;
    const ending = endingOf(error instanceof CommanderError ? usageOf(error) : error);
    output.fail(ending);
    return ending.exitCode;
  }
}

function usageOf({ code, message }: CommanderError): UsageError {
  if (code === "commander.help") return new UsageError("a command is missing");
  // commander puts its hints on a second line.
  return new UsageError(message.replace(/^error: /, "").replaceAll("\n", " "));
}

/** The grammar of the command line. The code of a command is loaded only when the command is used. */
export function describe(json: boolean, choose: Choose): DescribedCommand {
  const program = new DescribedCommand("sidewire-mesh")
    .description("A direct WireGuard tunnel between hosts that know each other's public key.")
    .version(version)
    .option("--json", "one JSON object a line: results on stdout, errors on stderr")
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      // `run` reports the error, so commander must not.
      outputError: () => {},
      // Without a command, commander writes the help here. The help is for people.
      writeErr: (text) => {
        if (process.stderr.isTTY && !json) process.stderr.write(text);
      },
    })
    .exitOverride()
    .helpCommand(false)
    .example("sudo sidewire-mesh doctor", "sudo sidewire-mesh up wg0", "sudo sidewire-mesh status --watch");

  describeUp(program, choose);
  describeMembership(program, choose);
  describeRoles(program, choose);
  describeFormats(program, choose);
  describeService(program, choose);
  describeWeb(program, choose);

  program
    .command("status")
    .description("show the peers, and the way to each")
    .argument("[interface]", "its name; not needed where there is one daemon")
    .option("--watch", "show it again whenever it changes")
    .example("sudo sidewire-mesh status", "sudo sidewire-mesh status wg0 --watch")
    .action((name: string | undefined, options: StatusOptions) => {
      choose(async (context) => (await import("./status.js")).status(context, name, options));
    });

  program
    .command("metrics")
    .description("print what status knows as numbers, in the text format of Prometheus")
    .argument("[interface]", "its name; not needed where there is one daemon")
    .example("sudo sidewire-mesh metrics")
    .action((name: string | undefined) => {
      choose(async (context) => (await import("./metrics.js")).metrics(context, name));
    });

  program
    .command("ping")
    .description("measure round trips to a peer by each path, not only the one in use")
    .argument("<peer>", "its public key, the beginning of it, or its name", notEmpty)
    .option("-c, --count <n>", "how often (default: until Ctrl-C)", wholeNumber(1, 1_000_000))
    .option("-i, --interface <interface>", "not needed where there is one daemon", notEmpty)
    .example("sudo sidewire-mesh ping xTIBA5rb -c 3")
    .action((peer: string, options: PingOptions) => {
      choose(async (context) => (await import("./ping.js")).ping(context, peer, options));
    });

  program
    .command("down")
    .description("end the daemon, wait for it, and say what it has restored")
    .argument("<interface>", "its name")
    .example("sudo sidewire-mesh down wg0")
    .action((name: string) => {
      choose(async (context) => (await import("./down.js")).down(context, name));
    });

  program
    .command("netcheck")
    .description("say what this network is like, and what to do about it; needs no daemon")
    .option(
      "--stun <servers>",
      "STUN servers, HOST:PORT,… (default: a bundled list of public ones)",
      notEmpty,
    )
    .option("--turn <url>", "a TURN server to try, turn:HOST:PORT; may be repeated", collect)
    .option(
      "--turn-credentials <file>",
      "with --turn: a file with the username and the password, a line each",
      notEmpty,
    )
    .option("--brokers <file>", "the signaling brokers (default: sidewire's public ones)", notEmpty)
    .option("--no-port-mapping", "ask no router what ports it gives (PCP, NAT-PMP, UPnP)")
    .example("sidewire-mesh netcheck")
    .action((options: NetcheckOptions) => {
      choose(async (context) => (await import("./netcheck.js")).netcheck(context, options));
    });

  program
    .command("doctor")
    .description("say what is missing on this machine, and what to do about it")
    .argument("[interface]", "look at this interface too")
    .option("--ntp <server>", "a time server to ask; may be repeated", collect)
    .option("--turn <url>", "a TURN server to try, turn:HOST:PORT; may be repeated", collect)
    .option(
      "--turn-credentials <file>",
      "with --turn: a file with the username and the password, a line each",
      notEmpty,
    )
    .example("sudo sidewire-mesh doctor", "sudo sidewire-mesh doctor wg0")
    .action((name: string | undefined, options: DoctorOptions) => {
      choose(async (context) => (await import("./doctor.js")).doctor(context, name, options));
    });

  program
    .command("keygen")
    .description("make a private key, as `wg genkey` does")
    .example("(umask 077; sidewire-mesh keygen > wg0.key)")
    .action(() => {
      choose(async (context) => (await import("./keygen.js")).keygen(context));
    });

  program
    .command("pubkey")
    .description("print the public key of the private one on stdin, as `wg pubkey` does")
    .example("sidewire-mesh pubkey < wg0.key")
    .action(() => {
      choose(async (context) => (await import("./pubkey.js")).pubkey(context));
    });

  describeShell(program, choose);

  return program;
}

/** The commands for a network. */
function describeMembership(program: DescribedCommand, choose: Choose): void {
  program
    .command("invite")
    .description("print a token with which others join; the first one founds a network of this interface")
    .argument("[interface]", "its name; not needed where there is one daemon")
    .option("--uses <n>", "how many machines may join with it", wholeNumber(1, 1000), 1)
    .option("--expires <time>", "how long it can be used, as in 30m, 12h or 7d", notEmpty, "7d")
    .option("--approve", "whoever joins waits for sidewire-mesh approve NAME")
    .option("--groups <groups>", "the groups of those who join, as in web,db", list)
    .option(
      "--routes <subnets>",
      "subnets behind the machine that joins, as in 192.168.7.0/24; with --uses 1",
      list,
    )
    .option("--network <name>", "for a new network: its name (default: that of the interface)", notEmpty)
    .option("--name <name>", "for a new network: the name of this host (default: its host name)", notEmpty)
    .example(
      "sudo sidewire-mesh invite wg0 --network office",
      "sudo sidewire-mesh invite --uses 20 --expires 1d",
    )
    .action((name: string | undefined, options: InviteOptions) => {
      choose(async (context) => (await import("./invite.js")).invite(context, name, options));
    });

  const joining = program
    .command("join")
    .description(
      "make key, interface and address, become a member, and look after the interface until Ctrl-C",
    )
    .argument("<token>", "as sidewire-mesh invite prints it", notEmpty)
    .option("--interface <name>", "the interface that is made", notEmpty, "wg0")
    .option("--name <name>", "the name of this host in the network (default: its host name)", notEmpty)
    .option("--listen-port <port>", "the port of WireGuard (default: a free one)", wholeNumber(1, 65_535));
  withDaemonOptions(joining, "those of the token")
    .remark("Later sidewire-mesh up INTERFACE goes on, without the token.")
    .example("sudo sidewire-mesh join swm1_…")
    .action((token: string, options: JoinOptions) => {
      choose(async (context) => (await import("./join.js")).join(context, token, options));
    });

  program
    .command("members")
    .description("show who is in the network, and who waits")
    .argument("[interface]", "its name; not needed where there is one daemon")
    .example("sudo sidewire-mesh members")
    .action((name: string | undefined) => {
      choose(async (context) => (await import("./members.js")).members(context, name));
    });

  const changing = (
    command: DescribedCommand,
    verb: "approve" | "remove" | "promote" | "demote",
  ): DescribedCommand =>
    command
      .argument("<name>", "the member's name, its key or the beginning of it", notEmpty)
      .option("-i, --interface <interface>", "not needed where there is one daemon", notEmpty)
      .example(`sudo sidewire-mesh ${verb} web`)
      .action((name: string, options: MembersOptions) => {
        choose(async (context) =>
          (await import("./members.js")).change(context, options, { do: verb, name }),
        );
      });
  changing(program.command("approve"), "approve").description("let in a newcomer who waits");
  changing(program.command("remove"), "remove").description("remove a member for good, by its key");
  changing(program.command("promote"), "promote").description("make a member an admin");
  changing(program.command("demote"), "demote").description("make an admin an ordinary member");

  program
    .command("rotate-key")
    .description("give this host a new WireGuard key; it keeps its name, its addresses and what it may do")
    .argument("[interface]", "its name; not needed where there is one daemon")
    .example("sudo sidewire-mesh rotate-key wg0")
    .action((name: string | undefined) => {
      choose(async (context) =>
        (await import("./members.js")).change(context, { interface: name }, { do: "rotate-key" }),
      );
    });

  program
    .command("rename")
    .description("give a member another name")
    .argument("<name>", "the member's name, its key or the beginning of it", notEmpty)
    .argument("<to>", "its new name", notEmpty)
    .option("-i, --interface <interface>", "not needed where there is one daemon", notEmpty)
    .example("sudo sidewire-mesh rename web web-old")
    .action((name: string, to: string, options: MembersOptions) => {
      choose(async (context) =>
        (await import("./members.js")).change(context, options, { do: "rename", name, to }),
      );
    });
}

/** The commands for roles: who may reach whom, and which subnets are reached through whom. */
function describeRoles(program: DescribedCommand, choose: Choose): void {
  program
    .command("set")
    .description("say which groups a member is in, and which subnets behind it are reached through it")
    .argument("<name>", "the member's name, its key or the beginning of it", notEmpty)
    .option("--groups <groups>", "all groups of the member, as in web,db", list)
    .option("--no-groups", "the member is in no group")
    .option("--routes <subnets>", "all subnets behind the member, as in 192.168.7.0/24,fd12:3456::/48", list)
    .option("--no-routes", "the member carries no subnet")
    .option("--relay", "the member may relay for others, if its owner allows it by up --relay (default)")
    .option("--no-relay", "nobody uses the member as a relay, whatever its owner says")
    .option("-i, --interface <interface>", "not needed where there is one daemon", notEmpty)
    .example(
      "sudo sidewire-mesh set hb --groups web",
      "sudo sidewire-mesh set router --routes 192.168.7.0/24",
    )
    .action((name: string, options: SetOptions) => {
      choose(async (context) => (await import("./members.js")).set(context, name, options));
    });

  const ruling = (command: DescribedCommand, verb: "allow" | "disallow"): DescribedCommand =>
    command
      .argument("<rule>", 'in quotes: two groups, as in "web -> db"; * is everybody', notEmpty)
      .option("-i, --interface <interface>", "not needed where there is one daemon", notEmpty)
      .example(`sudo sidewire-mesh ${verb} "web -> db"`)
      .action((rule: string, options: MembersOptions) => {
        choose(async (context) =>
          (await import("./members.js")).change(context, options, { do: verb, rule }),
        );
      });
  ruling(program.command("allow"), "allow").description(
    "let one group reach another; from the first rule on, nobody else is reached",
  );
  ruling(program.command("disallow"), "disallow").description("remove a rule");
}

/**
 * Whether the command line contains --json. An error in the command line must be reported as JSON as well, so this is
 * decided before the parsing.
 */
function asksForJson(args: readonly string[]): boolean {
  const end = args.indexOf("--");
  return (end < 0 ? args : args.slice(0, end)).includes("--json");
}
