import type { DescribedCommand } from "../../../grammar/described-command.js";
import { notEmpty, wholeNumber } from "./argument.js";
import type { Choose } from "./grammar.js";
import type { WebOptions } from "./web.js";

/** The command for people who prefer a browser. */
export function describeWeb(program: DescribedCommand, choose: Choose): void {
  program
    .command("web")
    .description("serve a page that shows the mesh, to browsers on this machine, until Ctrl-C")
    .argument("[interface]", "its name; not needed where there is one daemon")
    .option("--port <port>", "the port at 127.0.0.1 (default: a free one)", wholeNumber(1, 65_535))
    .option(
      "--stun <servers>",
      "the servers for the page's check of the network (default: those of netcheck)",
      notEmpty,
    )
    .option(
      "--brokers <file>",
      "the servers for the page's check of the network (default: those of netcheck)",
      notEmpty,
    )
    .option("--no-port-mapping", "the page's check of the network asks no router")
    .remark("It prints the address of the page. Without it, nobody gets an answer.")
    .example("sudo sidewire-mesh web wg0")
    .action((name: string | undefined, options: WebOptions) => {
      choose(async (context) => (await import("./web.js")).web(context, name, options));
    });
}
