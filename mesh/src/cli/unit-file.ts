/** The first line of the files that this program writes. Files without it are not touched. */
export const MARK = "# Written by sidewire-mesh service install.";

/** The options of a unit. */
export interface UnitOptions {
  /** The program and the script that systemd starts. */
  readonly command: readonly string[];
}

/**
 * The unit for all interfaces, `sidewire-mesh@.service`. The service may change the network, its own folders and
 * /etc/hosts, but nothing else on the machine.
 */
export function unitText({ command }: UnitOptions): string {
  const start = [...command, "up", "%i", "--state", `\${STATE_DIRECTORY}`].map(quoted).join(" ");
  return `${MARK}
[Unit]
Description=sidewire-mesh on %i
Documentation=man:wg(8)
Wants=network-online.target
After=network-online.target nss-lookup.target

[Service]
Type=notify
# systemd-notify is a process of its own.
NotifyAccess=all
ExecStart=${start}
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
RestartSec=5
WatchdogSec=30
TimeoutStopSec=45
# After a crash, wireguard-go keeps the tunnels up until the next start goes on with them. At a clean end the daemon ends it.
# Other programs that the daemon started end by themselves.
KillMode=process
StateDirectory=sidewire-mesh
StateDirectoryMode=0700
# The compiled code of the command is kept here, so that the next start is faster.
CacheDirectory=sidewire-mesh
CacheDirectoryMode=0700
# The second one is for the sockets of wireguard-go, which cannot make it where /run is read-only. The order counts: the
# daemon's own sockets are in the first one.
RuntimeDirectory=sidewire-mesh wireguard
RuntimeDirectoryMode=0700
# Other instances have their sockets in the same folders.
RuntimeDirectoryPreserve=yes
# NET_ADMIN changes interfaces, addresses, routes and the table of nft. NET_BIND_SERVICE opens ports below 1024: 53 for
# names ("dns"), 80 for --publish or --metrics. DAC_READ_SEARCH reads files of other users, as root can without a unit: the
# command, Node, a configuration or a key in a home folder that is closed to others.
CapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_BIND_SERVICE CAP_DAC_READ_SEARCH
# For another User=, who has to own those files.
AmbientCapabilities=CAP_NET_ADMIN CAP_NET_BIND_SERVICE
NoNewPrivileges=yes
ProtectSystem=strict
ReadWritePaths=-/etc/hosts
# The command, Node or the configuration may be in a home folder.
ProtectHome=read-only
PrivateTmp=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_NETLINK AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
UMask=0077

[Install]
WantedBy=multi-user.target
`;
}

/** The options for one interface. */
export interface InstanceOptions extends UnitOptions {
  /** The absolute path of the configuration. */
  readonly config: string | undefined;
  /** Whether wg-quick makes the interface. */
  readonly isOfWgQuick: boolean;
}

/** The file for one interface, `sidewire-mesh@IF.service.d/interface.conf`; undefined when none is necessary. */
export function instanceText(
  name: string,
  { command, config, isOfWgQuick }: InstanceOptions,
): string | undefined {
  const quick = `wg-quick@${name}.service`;
  const unit = isOfWgQuick ? ["[Unit]", `BindsTo=${quick}`, `After=${quick}`, ""] : [];
  // BindsTo ends the service together with wg-quick. Only this starts it again when wg-quick is started.
  const wanted = isOfWgQuick ? ["[Install]", `WantedBy=${quick}`, ""] : [];
  const args = [...command, "up", "%i", "--state", `\${STATE_DIRECTORY}`, "--config", config ?? ""];
  const service =
    config === undefined ? [] : ["[Service]", "ExecStart=", `ExecStart=${args.map(quoted).join(" ")}`, ""];
  return unit.length + service.length === 0 ? undefined : [MARK, ...unit, ...service, ...wanted].join("\n");
}

/** A word of a command line, quoted for systemd (systemd.service(5)). */
function quoted(word: string): string {
  // systemd must replace this specifier and this variable, so they are not quoted.
  if (word === "%i" || word === `\${STATE_DIRECTORY}`) return word;
  const escaped = word
    .replace(/[\\"]/g, "\\$&")
    .replaceAll("\n", "\\n")
    .replaceAll("%", "%%")
    .replaceAll("$", "$$$$");
  return /^[\w@%+=:,./$-]+$/.test(word) ? escaped : `"${escaped}"`;
}
