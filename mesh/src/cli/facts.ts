/** Facts about the command that the grammar does not have. The manual and docs/reference.md are made from them. */

/** Something with a name, and what is to be said of it. */
type Entry = readonly [name: string, text: string];

export const EXIT_STATUS: readonly Entry[] = [
  [
    "0",
    "Done. Also when Ctrl-C or SIGTERM ends what has no end of its own, such as up, ping or status --watch.",
  ],
  ["1", "Something failed."],
  ["2", "Wrong use: of the command line, of a file, or of the system."],
  ["130, 143", "Ended by SIGINT or SIGTERM before it was done."],
];

/** What the daemon of `up` and `join` does at a signal. */
export const SIGNALS: readonly Entry[] = [
  ["SIGINT, SIGTERM", "The daemon restores what it has changed, and ends. A second one ends it at once."],
  ["SIGHUP", "The daemon reads its configuration again. Tunnels of peers that stay are not touched."],
  ["SIGUSR1", "The daemon prints what status shows."],
];

/** The variables that the command reads. */
export const ENVIRONMENT: readonly Entry[] = [
  [
    "RUNTIME_DIRECTORY",
    "The folder of the control sockets, as systemd sets it. Default: /run/sidewire-mesh.",
  ],
  ["CACHE_DIRECTORY", "The folder of main.cache, as systemd sets it. Default: that of the command."],
  ["NOTIFY_SOCKET", "Set by systemd: where the daemon reports its start and its end, by systemd-notify."],
  [
    "JOURNAL_STREAM",
    "Set by systemd: if stdout or stderr is this stream, each line begins with its level, which journald takes away.",
  ],
  [
    "WATCHDOG_USEC",
    "Set by systemd: the daemon reports that it works, twice in this time. Unit: microseconds.",
  ],
  ["WATCHDOG_PID", "Set by systemd: the process for which WATCHDOG_USEC counts."],
  ["WIRELINK_CONFIG_PATH", "With --wirelink: the folder of wirelink's file. Default: /etc/wireguard."],
  ["WIRELINK_IFACE", "With --wirelink and without an interface on the command line: its name. Default: wg0."],
  [
    "WIRELINK_PORT, WIRELINK_ROUTER, WIRELINK_CHATTY, WIRELINK_DEBUG",
    "With --wirelink: they take precedence over the same keys of the file.",
  ],
  ["PATH", "Where wg, ip, nft and the other programs are looked for, besides the folders of the system."],
  ["NO_COLOR", "If it is set, there are no colours."],
];

/** The variables that the programs in hooks get. */
export const HOOK_ENVIRONMENT: readonly Entry[] = [
  ["SIDEWIRE_MESH_INTERFACE", "The interface. Every program gets it."],
  ["SIDEWIRE_MESH_EVENT", "Of exec: peer for another state, path for another path in the same state."],
  ["SIDEWIRE_MESH_PEER", "Of exec: the public key of the peer."],
  ["SIDEWIRE_MESH_NAME", "Of exec: the name of the peer. Empty without one."],
  ["SIDEWIRE_MESH_STATE", "Of exec: the state of the peer, as status shows it."],
  [
    "SIDEWIRE_MESH_PATH_KIND",
    "Of exec: the kind of the path, as status --json has it. Empty without a path.",
  ],
  ["SIDEWIRE_MESH_ENDPOINT", "Of exec: the endpoint of the path. Empty without one."],
];

/** A file, or what the daemon writes into one. */
export interface FileFact {
  /** IF stands for the name of the interface. */
  readonly path: string;
  /** In octal; undefined where the command does not choose it. */
  readonly mode: string | undefined;
  readonly holds: string;
  /** Whether it may be deleted, and what follows. */
  readonly deletion: string;
}

export const FILES: readonly FileFact[] = [
  {
    path: "/var/lib/sidewire-mesh/",
    mode: "0700",
    holds: "The state folder. --state and stateFolder choose another one. It has the next six files.",
    deletion: "Only as each of its files may be deleted.",
  },
  {
    path: "/var/lib/sidewire-mesh/IF.json",
    mode: "0600",
    holds: "Where peers were last, and the number of the last start.",
    deletion: "Yes, while no daemon runs. The next start finds the peers through the brokers again.",
  },
  {
    path: "/var/lib/sidewire-mesh/IF.roster",
    mode: "0600",
    holds:
      "The signing key of this host, what admins have signed about the network, open invitations, and who waits. Secret.",
    deletion:
      "No. Without it the host is in no network any more and must join again, and an admin can sign nothing any more.",
  },
  {
    path: "/var/lib/sidewire-mesh/IF.key",
    mode: "0600",
    holds: "The private WireGuard key of an interface that join has made. Secret.",
    deletion: "No. Without it up cannot make the interface again, and the host must join with a new key.",
  },
  {
    path: "/var/lib/sidewire-mesh/IF.key.next",
    mode: "0600",
    holds: "The key that replaces IF.key, while rotate-key is under way. Secret.",
    deletion: "No. The others may know the new key already.",
  },
  {
    path: "/var/lib/sidewire-mesh/IF.mappings.json",
    mode: "0600",
    holds: "The ports that routers have given to this host.",
    deletion: "Yes, while no daemon runs. A port that is open then stays open until the router ends it.",
  },
  {
    path: "/var/lib/sidewire-mesh/IF.device",
    mode: "0600",
    holds: "What the daemon has changed on the interface. It is there only while something is changed.",
    deletion: "No. If the daemon was killed, the next start restores the interface from it.",
  },
  {
    path: "/var/lib/sidewire-mesh/*.damaged",
    mode: "0600",
    holds: "A file of this folder that could not be read. The daemon has renamed it and said so.",
    deletion: "Yes.",
  },
  {
    path: "/var/cache/sidewire-mesh/main.cache",
    mode: "0644",
    holds:
      "The command's code as Node has compiled it, so that the next start is faster. Without systemd the file is beside the command.",
    deletion:
      "Yes. The next daemon writes it again, as it does for another version of the command or of Node.",
  },
  {
    path: "/run/sidewire-mesh/IF.sock",
    mode: "0600",
    holds: "The control socket of the daemon. The other commands speak to the daemon through it.",
    deletion: "Not while the daemon runs. The daemon removes it at its end.",
  },
  {
    path: "/run/sidewire-mesh/*.lock",
    mode: "0600",
    holds: "The process that looks after an interface, or changes the hosts file at the moment.",
    deletion: "Not while that process runs. The lock of a process that has ended has no effect.",
  },
  {
    path: "/etc/hosts",
    mode: undefined,
    holds:
      'Lines between "# BEGIN sidewire-mesh IF" and "# END sidewire-mesh IF": the names of members. Owner and mode of the file stay.',
    deletion: "Yes, the lines. The daemon writes them again at the next change, and removes them at its end.",
  },
  {
    path: "/etc/systemd/system/sidewire-mesh@.service",
    mode: "0644",
    holds: "The unit for all interfaces. service install writes it.",
    deletion: "By service uninstall, for the last interface.",
  },
  {
    path: "/etc/systemd/system/sidewire-mesh@IF.service.d/interface.conf",
    mode: "0644",
    holds: "What differs for one interface: its configuration, or that wg-quick makes it.",
    deletion: "By service uninstall.",
  },
];
