import type { DescribedCommand } from "../../../grammar/described-command.js";
import { collect, notEmpty } from "./argument.js";

/** The options for managing an interface, in `up` and `join`. */
export interface DaemonOptions {
  readonly brokers?: string;
  readonly stun?: string;
  readonly turn?: readonly string[];
  readonly turnCredentials?: string;
  readonly relay?: boolean;
  readonly lazy?: boolean;
  /** `--no-lan-discovery` sets it to false. */
  readonly lanDiscovery?: boolean;
  /** `--no-port-mapping` sets it to false. */
  readonly portMapping?: boolean;
  /** `--no-hosts` sets it to false. */
  readonly hosts?: boolean;
  readonly dns?: boolean;
  readonly metrics?: string;
  readonly state?: string;
}

/**
 * Adds these options to a command.
 * @param brokers - the text that says which brokers are used by default
 */
export function withDaemonOptions(command: DescribedCommand, brokers: string): DescribedCommand {
  return command
    .option("--brokers <file>", `the signaling brokers (default: ${brokers})`, notEmpty)
    .option(
      "--stun <servers>",
      "STUN servers, HOST:PORT,… (default: a bundled list of public ones)",
      notEmpty,
    )
    .option(
      "--turn <url>",
      "a TURN server, turn:HOST:PORT, for peers that are reached no other way; may be repeated",
      collect,
    )
    .option(
      "--turn-credentials <file>",
      "with --turn: a file with the username and the password, a line each",
      notEmpty,
    )
    .option(
      "--relay",
      "pass packets on between peers that find no direct path; they stay sealed for this host",
    )
    .option("--lazy", "make a tunnel when a packet needs it, and end it after 15 minutes without data")
    .option("--no-lan-discovery", "say nothing to peers on the own LANs, and hear none there")
    .option("--no-port-mapping", "ask no router for a port (PCP, NAT-PMP, UPnP)")
    .option("--no-hosts", "give members of the network no names in /etc/hosts")
    .option("--dns", "answer DNS for the names of members, at the own address in the tunnel, to this host")
    .option(
      "--metrics <place>",
      "ADDRESS:PORT where Prometheus finds metrics (default: nothing listens)",
      notEmpty,
    )
    .option(
      "--state <folder>",
      "the folder for what is remembered (default: /var/lib/sidewire-mesh)",
      notEmpty,
    );
}
