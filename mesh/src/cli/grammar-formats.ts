import type { DescribedCommand } from "../../../grammar/described-command.js";
import { collect, list, notEmpty } from "./argument.js";
import type { ExportOptions } from "./export.js";
import type { Choose } from "./grammar.js";
import type { ImportOptions } from "./import.js";
import type { ShowOptions, VerifyOptions } from "./multiaddr.js";

/** The commands for users of other programs, and for the formats of these programs. */
export function describeFormats(program: DescribedCommand, choose: Choose): void {
  program
    .command("import")
    .description("turn a file of wg-quick, wgautomesh or wirelink into a configuration of this program")
    .argument("<file>", "wg0.conf, wgautomesh.toml, wirelink.wg0.json or wirelink.wg0.yaml", notEmpty)
    .option(
      "--output <folder>",
      "write the configuration there, and its keys into files beside it (default: print it)",
      notEmpty,
    )
    .remark("up --config takes such a file as it is, too.")
    .example("sudo sidewire-mesh import /etc/wireguard/wg0.conf --output /etc/sidewire-mesh")
    .action((path: string, options: ImportOptions) => {
      choose(async (context) => (await import("./import.js")).importConfig(context, path, options));
    });
  program
    .command("export")
    .description("print a configuration for a phone, with a QR code, and how this host lets the phone in")
    .argument("[interface]", "its name; not needed where there is one daemon")
    .requiredOption("--address <address>", "the phone's address in the tunnel; may be repeated", collect)
    .option(
      "--endpoint <place>",
      "HOST:PORT of this host (default: a public address that is known)",
      notEmpty,
    )
    .option(
      "--allowed-ips <ranges>",
      "the ranges that the phone reaches (default: the networks of the interface)",
      list,
    )
    .option("--dns <servers>", "the phone's DNS servers, as in 10.9.0.1", list)
    .example("sudo sidewire-mesh export wg0 --address 10.9.0.9 --endpoint home.example:51820")
    .action((name: string | undefined, options: ExportOptions) => {
      choose(async (context) => (await import("./export.js")).exportPhone(context, name, options));
    });
  describeConfig(program, choose);
  describeMultiaddr(program, choose);
}

function describeConfig(program: DescribedCommand, choose: Choose): void {
  const group = program
    .command("config")
    .helpCommand(false)
    .description("look at a configuration, of any format: check, show")
    .example("sidewire-mesh config check wg0.json", "sidewire-mesh config show wgautomesh.toml");
  group
    .command("check")
    .description("say whether it can be used, and which parts have no effect; changes nothing")
    .argument("<file>", "as up --config takes it", notEmpty)
    .example("sidewire-mesh config check wg0.json")
    .action((path: string) => {
      choose(async (context) => (await import("./config.js")).check(context, path));
    });
  group
    .command("show")
    .description("show the result in this program's own format, without its secrets")
    .argument("<file>", "as up --config takes it", notEmpty)
    .example("sidewire-mesh config show wgautomesh.toml")
    .action((path: string) => {
      choose(async (context) => (await import("./config.js")).show(context, path));
    });
}

function describeMultiaddr(program: DescribedCommand, choose: Choose): void {
  const group = program
    .command("multiaddr")
    .helpCommand(false)
    .description("addresses of WireGuard hosts as multiaddrs: show, parse, verify")
    .example(
      "sudo sidewire-mesh multiaddr show wg0",
      "sidewire-mesh multiaddr parse /ip4/192.0.2.1/udp/51820/wg/uAAEC…",
      "sudo sidewire-mesh multiaddr verify /ip4/192.0.2.1/udp/51820/wg/uAAEC…",
    );
  group
    .command("show")
    .description("show where this host may be reached, one multiaddr for each place; or convert a key")
    .argument("[interface]", "its name; not needed where there is one daemon")
    .option("--overlay <multiaddr>", "put behind each, as in /ip4/10.9.0.1/tcp/80", notEmpty)
    .option("--key <key>", "convert this key alone: as wg writes it, or as a multiaddr has it", notEmpty)
    .example("sudo sidewire-mesh multiaddr show --overlay /ip4/10.9.0.1/tcp/80")
    .action((name: string | undefined, options: ShowOptions) => {
      choose(async (context) => (await import("./multiaddr.js")).show(context, name, options));
    });
  group
    .command("parse")
    .description("show what a multiaddr says: bearer, key, overlay, bytes; needs no daemon")
    .argument("<multiaddr>", "with /wg/ in it", notEmpty)
    .example("sidewire-mesh multiaddr parse /ip4/192.0.2.1/udp/51820/wg/uAAEC…")
    .action((address: string) => {
      choose(async (context) => (await import("./multiaddr.js")).parse(context, address));
    });
  group
    .command("verify")
    .description("check whether a multiaddr names this host or a peer of its interface; if not, end with 1")
    .argument("<multiaddr>", "with /wg/ in it", notEmpty)
    .option("-i, --interface <interface>", "not needed where there is one daemon", notEmpty)
    .example("sudo sidewire-mesh multiaddr verify /ip4/192.0.2.1/udp/51820/wg/uAAEC…")
    .action((address: string, options: VerifyOptions) => {
      choose(async (context) => (await import("./multiaddr.js")).verify(context, address, options));
    });
}
