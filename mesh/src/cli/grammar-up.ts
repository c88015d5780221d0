import type { DescribedCommand } from "../../../grammar/described-command.js";
import { collect, notEmpty, wholeNumber } from "./argument.js";
import { withDaemonOptions } from "./daemon-options.js";
import type { Choose } from "./grammar.js";
import type { UpOptions } from "./up-settings.js";

/** The commands `up` and `plan`. */
export function describeUp(program: DescribedCommand, choose: Choose): void {
  withUpOptions(program.command("up"))
    .description("look after a WireGuard interface, in the foreground, until Ctrl-C")
    .option("--dry-run", "the same as sidewire-mesh plan")
    .remark("Each host also has the link-local address that follows from its key.")
    .example(
      "sudo sidewire-mesh up wg0",
      "sudo sidewire-mesh up wg0 --dry-run",
      "sudo sidewire-mesh up wg0 --create --private-key wg0.key \\",
      "    --address 10.9.0.1/24 --peer xTIBA5rboUvnH4ht…Zqp8Dg=,10.9.0.2/32",
    )
    .action((name: string | undefined, options: UpOptions) => {
      choose(async (context) => (await import("./up.js")).up(context, name, options));
    });

  withUpOptions(program.command("plan"))
    .description("print the wg, ip and nft lines of the start of up, and change nothing")
    .example("sudo sidewire-mesh plan wg0", "sudo sidewire-mesh plan --config /etc/wireguard/wg0.conf")
    .action((name: string | undefined, options: UpOptions) => {
      choose(async (context) => (await import("./up.js")).up(context, name, { ...options, dryRun: true }));
    });
}

function withUpOptions(command: DescribedCommand): DescribedCommand {
  command
    .argument("[interface]", "its name, as in wg0")
    .option("--create", "make the interface, and remove it at the end")
    .option(
      "--private-key <file>",
      "with --create: the file with the private key, as `wg genkey` writes it",
      notEmpty,
    )
    .option(
      "--listen-port <port>",
      "with --create: the port of WireGuard (default: a free one)",
      wholeNumber(1, 65_535),
    )
    .option(
      "--address <address>",
      "with --create: an address of this host, as in 10.9.0.1/24; may be repeated",
      collect,
    )
    .option("--peer <peer>", "with --create: KEY[@HOST:PORT][,ALLOWED-IP]…; may be repeated", collect);
  return withDaemonOptions(command, "sidewire's public ones")
    .option("--router", "this host carries packets between its peers: be chatty, and use no other router")
    .option("--chatty", "tell all peers where the other peers are")
    .option(
      "--config <file>",
      "a configuration: JSON, or a file of wg-quick, wgautomesh or wirelink; options take precedence",
      notEmpty,
    )
    .option(
      "--peers-url <url>",
      "a JSON array of URLs that tell each peer's key, or a file with it",
      notEmpty,
    )
    .option("--publish <port>", "serve /node.json over HTTP: the own key and place", wholeNumber(1, 65_535))
    .option(
      "--index-overlay <range>",
      "with --peers-url: addresses by the list, as in 10.88.0.0/24",
      notEmpty,
    )
    .option("--wirelink", "look for wirelink's file of this interface, and at WIRELINK_… in the environment");
}
