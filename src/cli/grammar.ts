import { Argument, type Command, InvalidArgumentError, Option } from "commander";
import { DescribedCommand } from "../../grammar/described-command.js";
import { SHELLS, type Shell } from "../../grammar/shells.js";
import { version } from "../../package.json";
import type { BrokerOptions } from "./broker.js";
import type { BrokersOptions } from "./brokers.js";
import type { Context } from "./context.js";
import { type ExitCode, Failure } from "./failure.js";
import type { IdOptions } from "./id.js";
import type { ListenOptions } from "./listen.js";
import type { SendOptions } from "./send.js";

/** What a command line asks for. */
export type Action = (context: Context) => Promise<ExitCode>;

/** The grammar of the command line. The code of a command is loaded only when the command is used. */
export function describe(json: boolean, choose: (action: Action) => void): DescribedCommand {
  const program = new DescribedCommand("sidewire")
    .description("Small signed messages between known keys, over public MQTT brokers.")
    .version(version, "-v, --version")
    .option("--key <file>", "the key (default: $SIDEWIRE_KEY, else in the configuration folder)", notEmpty)
    .option(
      "--brokers <file>",
      "the pool, in the format of brokers.json (default: $SIDEWIRE_BROKERS, else the one in the package)",
      notEmpty,
    )
    .option("--timeout <ms>", "how long to wait for a broker or an answer", wholeNumber(1, 600_000))
    .option("--json", "one JSON object a line: results on stdout, errors on stderr")
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      // `run` reports the error, so commander must not.
      outputError: () => {},
      // Without a command, commander writes the help here. The help is for people, not for `--json`.
      writeErr: (text) => {
        if (!json) process.stderr.write(text);
      },
    })
    .exitOverride()
    .helpCommand(false)
    .example("sidewire keygen", "sidewire listen", 'sidewire send ben "hello"', "sidewire send --help");

  program
    .command("keygen")
    .description("make a key and show its address; never overwrites one")
    .option("--qr", "show the address as a QR code too")
    .example("sidewire keygen", "sidewire keygen --key ./robot.key --qr")
    .action((options: { qr?: true }) => {
      choose(async (context) => (await import("./keygen.js")).keygen(context, options));
    });

  program
    .command("id")
    .description("show the own address")
    .option("--hex", "in hex, as programs and Python peers have it")
    .option("--qr", "as a QR code too")
    .option("--secret", "the secret key too: whoever has it is you")
    .example("sidewire id --qr")
    .action((options: IdOptions) => {
      choose(async (context) => (await import("./id.js")).id(context, options));
    });

  const contact = program
    .command("contact")
    .helpCommand(false)
    .description("names for addresses, to be used wherever an address is")
    .example("sidewire contact add ben sw1q…", "sidewire send ben hello");
  contact
    .command("add")
    .description("give an address a name")
    .argument("<name>", "letters, digits, dots, hyphens and underscores")
    .argument("<address>", ADDRESS)
    .action((name: string, address: string) => {
      choose(async (context) => (await import("./contact.js")).add(context, name, address));
    });
  contact
    .command("list")
    .description("show all names with their addresses")
    .option("--names", "the names alone")
    .action((options: { names?: true }) => {
      choose(async (context) => (await import("./contact.js")).list(context, options));
    });
  contact
    .command("remove")
    .description("forget a name")
    .argument("<contact>", "its name")
    .action((name: string) => {
      choose(async (context) => (await import("./contact.js")).remove(context, name));
    });
  contact
    .command("rename")
    .description("give a contact another name")
    .argument("<contact>", "its name until now")
    .argument("<new>", "the new name")
    .action((name: string, to: string) => {
      choose(async (context) => (await import("./contact.js")).rename(context, name, to));
    });

  program
    .command("listen")
    .description("print what arrives, or run a program for each message")
    .argument("[args...]", "after --: arguments of the program of --exec")
    .option(
      "--exec <program>",
      "run it for each message: the bytes on its stdin, the arguments as they are",
      notEmpty,
    )
    .addOption(new Option("--once", "end after the first message").conflicts("count"))
    .option("--count <n>", "end after so many messages", wholeNumber(1, 1_000_000_000))
    .option("--for <ms>", "end after so long", wholeNumber(1, 2_147_483_647))
    .option(
      "--accept <file>",
      "take messages from these only: addresses or contacts, one a line, # comments",
      notEmpty,
    )
    .example(
      "sidewire listen",
      "sidewire listen --once --for 60000",
      "sidewire listen --accept friends.txt --exec python3 -- handle.py --verbose",
    )
    .action((args: string[], options: ListenOptions) => {
      choose(async (context) => (await import("./listen.js")).listen(context, args, options));
    });

  program
    .command("send")
    .description("send one message and wait until the peer has acknowledged it")
    .argument("<dest>", DEST)
    .argument("[text]", "the message; - or nothing: stdin")
    .option("--file <file>", "send the bytes of a file", notEmpty)
    .option("--plain", PLAIN)
    .addOption(sealedOption())
    .example('sidewire send ben "hello"', "sidewire send sw1q… < offer.json")
    .allowExcessArguments()
    .action((dest: string, text: string | undefined, options: SendOptions, { args }: Command) => {
      if (args.length > 2) throw new Failure("USAGE", unquoted(dest, args.slice(1).join(" ")));
      choose(async (context) => (await import("./send.js")).send(context, dest, text, options));
    });

  program
    .command("chat")
    .description("talk with a peer, line by line")
    .argument("<dest>", DEST)
    .option("--plain", PLAIN)
    .addOption(sealedOption())
    .example("sidewire chat ben")
    .action((dest: string, options: { plain?: true }) => {
      choose(async (context) => (await import("./chat.js")).chat(context, dest, options));
    });

  program
    .command("probe")
    .description("is this peer there, on which brokers, how far")
    .argument("<dest>", DEST)
    .option("--watch", "go on asking")
    .option(
      "--interval <ms>",
      "the pause between two questions (default: 2000)",
      wholeNumber(100, 86_400_000),
    )
    .example("sidewire probe ben --watch")
    .action((dest: string, options: { watch?: true; interval?: number }) => {
      choose(async (context) => (await import("./probe.js")).probe(context, dest, options));
    });

  program
    .command("rank")
    .description("the brokers in the order in which they are used for an address")
    .argument("<dest>", DEST)
    .example("sidewire rank ben")
    .action((dest: string) => {
      choose(async (context) => (await import("./rank.js")).rank(context, dest));
    });

  program
    .command("brokers")
    .description("check every broker of the pool for real, by each of its transports")
    .option("--watch", "go on checking")
    .option("--interval <ms>", "the pause between two checks (default: 60000)", wholeNumber(100, 86_400_000))
    .option("--write <file>", "write what works as a pool, dated", notEmpty)
    .example("sidewire brokers", "sidewire brokers --write brokers.json")
    .action((options: BrokersOptions) => {
      choose(async (context) => (await import("./brokers.js")).brokers(context, options));
    });

  program
    .command("broker")
    .description("run a broker for a LAN or a test, and print the pool entry for it")
    .option("--host <address>", "the address to listen on", notEmpty, "127.0.0.1")
    .option("--port <port>", "of MQTT over TCP; 0: a free one (default: 1883)", wholeNumber(0, 65_535))
    .option(
      "--ws-port <port>",
      "of MQTT over WebSocket; 0: a free one (default: 8083)",
      wholeNumber(0, 65_535),
    )
    .option(
      "--allow-origin <origin>",
      "pages that may use it, besides this machine's; may be repeated",
      collect,
    )
    .example("sidewire broker > pool.json", "sidewire listen --brokers pool.json")
    .action((options: BrokerOptions) => {
      choose(async (context) => (await import("./broker.js")).broker(context, options));
    });

  program
    .command("doctor")
    .description("look for what keeps messages from arriving, and say what to do")
    .option("--ntp <server>", "a time server to ask; may be repeated", collect)
    .example("sidewire doctor", "sidewire doctor --ntp ntp.example.com")
    .action((options: { ntp?: string[] }) => {
      choose(async (context) => (await import("./doctor.js")).doctor(context, options));
    });

  program
    .command("completion")
    .description("print what completes command lines, for a shell")
    .addArgument(new Argument("<shell>").choices(SHELLS))
    .example("source <(sidewire completion bash)", "sidewire completion fish | source")
    .action((shell: Shell) => {
      choose(async (context) => (await import("./completion.js")).completion(context, shell, program));
    });

  program
    .command("man")
    .description("print the manual page")
    .example("sidewire man | man -l -")
    .action(() => {
      choose(async (context) => (await import("./man-page.js")).man(context, program));
    });

  program
    .command("help")
    .description("display help for a command")
    .argument("[command]")
    .action((name: string | undefined) => {
      const command = name === undefined ? program : program.commands.find((one) => one.name() === name);
      if (command === undefined) return program.error(`unknown command '${name}'`);
      command.help();
    });

  return program;
}

const ADDRESS = "as sidewire id shows it: sw1…, or 66 hex characters";
const PLAIN = "not sealed: brokers can read it, and so can a peer in Python";

/** The old name of an option: sealing is now the default. */
function sealedOption(): Option {
  return new Option("--encrypt").conflicts("plain").hideHelp();
}

const DEST = "the peer: a contact's name or an address";

/** The advice for a text that the shell split into several arguments. */
function unquoted(dest: string, text: string): string {
  const isPlain = /^[\p{L}\p{N} .,:?'-]{1,60}$/u.test(dest + text);
  const shown = isPlain ? `${dest} "${text}"` : 'DEST "…"';
  return `a text of several words needs quotes: sidewire send ${shown}`;
}

function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const number = Number(text);
    if (/^\d+$/.test(text) && number >= min && number <= max) return number;
    throw new InvalidArgumentError(`Expected a whole number from ${min} to ${max}.`);
  };
}

/**
 * An empty value probably comes from an unset variable in a script. It must not count as the current folder or as all
 * addresses.
 */
function notEmpty(text: string): string {
  if (text === "") throw new InvalidArgumentError("It is empty.");
  return text;
}

function collect(text: string, before: readonly string[] = []): string[] {
  return [...before, notEmpty(text)];
}
