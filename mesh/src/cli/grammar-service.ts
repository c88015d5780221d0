import type { DescribedCommand } from "../../../grammar/described-command.js";
import { notEmpty } from "./argument.js";
import type { DumpOptions } from "./dump.js";
import type { Choose } from "./grammar.js";
import type { ServiceOptions } from "./service.js";

/** The commands for systemd, and for bug reports. */
export function describeService(program: DescribedCommand, choose: Choose): void {
  const group = program
    .command("service")
    .helpCommand(false)
    .description("let systemd look after an interface: install, uninstall, status")
    .example("sudo sidewire-mesh service install wg0", "sudo sidewire-mesh service uninstall wg0");
  group
    .command("install")
    .description("start the daemon now, and whenever the machine starts")
    .argument("<interface>", "its name, as in wg0")
    .option("--config <file>", "as up --config takes it; checked first", notEmpty)
    .option("--dry-run", "print the units, and change nothing")
    .remark("Where /etc/wireguard has a file for the interface, the service is bound to wg-quick.")
    .example(
      "sudo sidewire-mesh service install wg0",
      "sudo sidewire-mesh service install wg0 --config /etc/sidewire-mesh/wg0.json",
    )
    .action((name: string, options: ServiceOptions) => {
      choose(async (context) => (await import("./service.js")).install(context, name, options));
    });
  group
    .command("uninstall")
    .description("end the daemon, and start it no more")
    .argument("<interface>", "its name")
    .example("sudo sidewire-mesh service uninstall wg0")
    .action((name: string) => {
      choose(async (context) => (await import("./service.js")).uninstall(context, name));
    });
  group
    .command("status")
    .description("say whether the service is installed, and whether it runs; if it does not, end with 1")
    .argument("<interface>", "its name")
    .example("sidewire-mesh service status wg0")
    .action((name: string) => {
      choose(async (context) => (await import("./service.js")).serviceStatus(context, name));
    });

  program
    .command("dump")
    .description("print what a bug report needs, without secrets, keys, public addresses and names")
    .argument("[interface]", "its name; not needed where there is one daemon")
    .option("--plain", "leave public keys, public addresses and names in it")
    .example("sudo sidewire-mesh dump wg0 > report.md")
    .action((name: string | undefined, options: DumpOptions) => {
      choose(async (context) => (await import("./dump.js")).dump(context, name, options));
    });
}
