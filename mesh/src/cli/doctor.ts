import { ntpClock } from "sidewire/node";
import { checkInterfaceName } from "../device/checks.js";
import { parseWay, routeGet } from "../device/network.js";
import type { Endpoint } from "../ip/endpoint.js";
import { HOSTS_FILE } from "../names/names.js";
import { parseTurnServers, type TurnServer } from "../turn/turn-server.js";
import type { Context } from "./context.js";
import { type ExitCode, UsageError } from "./failure.js";
import { bad, type Finding, ok, tell, warning } from "./finding.js";
import { readTurn } from "./input-files.js";
import { type Machine, thisMachine } from "./machine.js";
import { milliseconds } from "./printable.js";
import { lookAtTurn } from "./turn-finding.js";

export interface DoctorOptions {
  readonly ntp?: readonly string[];
  readonly turn?: readonly string[];
  readonly turnCredentials?: string;
}

/** The bit of CAP_NET_ADMIN (capabilities(7)). */
const CAP_NET_ADMIN = 1n << 12n;

/** Peers drop messages when the clocks differ by more than DROPPED_MS, and report a difference above SKEW_MS; in ms. */
const DROPPED_MS = 120_000;
const SKEW_MS = 30_000;

const AS_ROOT = "run it with sudo, or give the service AmbientCapabilities=CAP_NET_ADMIN";

/** Looks for reasons why tunnels do not work on this machine. */
export async function doctor(
  context: Context,
  name: string | undefined,
  { ntp, turn = [], turnCredentials }: DoctorOptions,
  machine: Machine = thisMachine,
): Promise<ExitCode> {
  if (name !== undefined) checkInterfaceName(name);
  const servers = parseTurnServers(await readTurn(turn, turnCredentials));
  return await tell(context, look(context, machine, name, { ntp, servers }));
}

async function* look(
  { signal }: Context,
  machine: Machine,
  name: string | undefined,
  { ntp, servers }: { readonly ntp: readonly string[] | undefined; readonly servers: readonly TurnServer[] },
): AsyncGenerator<Finding> {
  // The clock's check takes the longest, and a wrong `--ntp` must be reported before any output.
  const clock = await lookAtClock(signal, ntp);
  yield await lookAtProgram(machine, "wg", ["--version"], "wireguard-tools");
  yield await lookAtProgram(machine, "ip", ["-V"], "iproute2 (iproute on Fedora)");
  yield await lookAtNft(machine);
  yield await lookAtCapability(machine);
  yield await lookAtWireguard(machine);
  yield await lookAtHosts(machine);
  yield clock;
  const isBehindTunnel = async (endpoint: Endpoint): Promise<boolean> =>
    name !== undefined && (await leavesBy(machine, name, endpoint));
  for (const server of servers) yield await lookAtTurn(server, signal, isBehindTunnel);
  if (name !== undefined) yield* lookAtInterface(machine, name);
}

/** Whether packets to an endpoint leave through an interface. */
async function leavesBy(machine: Machine, name: string, { address }: Endpoint): Promise<boolean> {
  const { program, args } = routeGet(address, 0);
  const { code, said } = await machine.run(program, args);
  return code === 0 && parseWay(said)?.device === name;
}

async function lookAtProgram(
  machine: Machine,
  program: string,
  args: readonly string[],
  packages: string,
): Promise<Finding> {
  const path = await machine.find(program);
  if (path === undefined)
    return bad(program, `${program} is not installed`, `install the package ${packages}`);
  const { said } = await machine.run(program, args);
  return ok(program, `${said.split("\n")[0]} (${path})`);
}

/** Whether nft accepts the two rules that probes need. Nothing is changed. */
async function lookAtNft(machine: Machine): Promise<Finding> {
  if ((await machine.find("nft")) === undefined)
    return bad(
      "nft",
      "nft is not installed",
      "install the package nftables: its rules let probes leave from WireGuard's own port, and up does not start without",
    );
  const rules = `table inet sidewire_mesh_check {
  chain out { type filter hook output priority raw; udp sport 51990 udp sport set 51820; }
  chain in { type filter hook input priority 90; udp dport 51820 @th,96,32 0x2112a442 udp dport set 51990; }
}
`;
  const { code, said } = await machine.run("nft", ["-c", "-f", "-"], rules);
  if (code === 0) return ok("nft", "a table of rules can be made");
  const [first = ""] = said.split("\n");
  if (/not permitted|denied/i.test(said)) return bad("nft", `nft may not make a table: ${first}`, AS_ROOT);
  return bad(
    "nft",
    `nft cannot make a table: ${first}`,
    "load the kernel module nf_tables (modprobe nf_tables); a container needs a host that has it",
  );
}

async function lookAtCapability(machine: Machine): Promise<Finding> {
  const status = (await machine.read("/proc/self/status")) ?? "";
  const [, bits = "0"] = /^CapEff:\s*([\da-f]+)/m.exec(status) ?? [];
  if ((BigInt(`0x${bits}`) & CAP_NET_ADMIN) !== 0n)
    return ok("rights", "this process may change interfaces (CAP_NET_ADMIN)");
  return bad("rights", "this process may not change interfaces (CAP_NET_ADMIN is missing)", AS_ROOT);
}

/** Looks for WireGuard in the kernel, or for wireguard-go and the device that it needs. */
async function lookAtWireguard(machine: Machine): Promise<Finding> {
  const check = "wireguard";
  if ((await machine.read("/sys/module/wireguard/uevent")) !== undefined)
    return ok(check, "the kernel has it");
  if ((await machine.run("modprobe", ["-n", "-q", "wireguard"])).code === 0)
    return ok(check, "the kernel has it, as a module that is loaded when it is needed");
  const userspace = await machine.find("wireguard-go");
  if (userspace === undefined)
    return bad(
      check,
      "the kernel has no WireGuard, and wireguard-go is not installed",
      "install the package wireguard-go, or a kernel with WireGuard (5.6 and later)",
    );
  const problem = await machine.tryOpen("/dev/net/tun");
  if (problem === undefined) return ok(check, `not in the kernel, but wireguard-go is there (${userspace})`);
  if (problem === "ENOENT" || problem === "ENODEV" || problem === "ENXIO")
    return bad(
      check,
      "wireguard-go needs /dev/net/tun, which is not there",
      "modprobe tun; in a container: --device /dev/net/tun",
    );
  return bad(check, `wireguard-go needs /dev/net/tun, which cannot be opened (${problem})`, AS_ROOT);
}

/** Whether the hosts file can be written, where members of a network get their names. */
async function lookAtHosts(machine: Machine): Promise<Finding> {
  const problem = await machine.tryOpen(HOSTS_FILE);
  if (problem === undefined) return ok("names", `${HOSTS_FILE} can be written, for the names of members`);
  return warning(
    "names",
    `${HOSTS_FILE} cannot be written (${problem}): members of a network get no names`,
    `run it with sudo; in a unit of systemd, ReadWritePaths=${HOSTS_FILE}; or do without, by up --no-hosts`,
  );
}

async function lookAtClock(signal: AbortSignal, ntp: readonly string[] | undefined): Promise<Finding> {
  const check = "clock";
  try {
    using clock = await ntpClock({ signal, ...(ntp === undefined ? {} : { servers: ntp }) });
    const off = Math.abs(clock.offsetMs);
    const size = off < 1000 ? milliseconds(off) : `${(off / 1000).toFixed(1)} s`;
    const message = `the clock is ${size} ${clock.offsetMs > 0 ? "behind" : "ahead"} (± ${milliseconds(clock.errorBoundMs)})`;
    const advice = "set it: timedatectl set-ntp true";
    if (off > DROPPED_MS) return bad(check, `${message}: peers drop what is said to them`, advice);
    return off > SKEW_MS ? warning(check, message, advice) : ok(check, message);
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof Error) || !("code" in error)) throw error;
    if (error.code === "INVALID_OPTION")
      throw new UsageError(error.message.replace(/^servers(\[\d+\])?/, "--ntp"));
    if (error.code !== "NO_TIME") throw error;
    return warning(
      check,
      "no time server answers, so the clock was not compared",
      "UDP port 123 may be blocked: name a server inside with --ntp, or compare the clock yourself",
    );
  }
}

async function* lookAtInterface(machine: Machine, name: string): AsyncGenerator<Finding> {
  const index = (await machine.read(`/sys/class/net/${name}/ifindex`))?.trim();
  const dump = await machine.run("wg", ["show", name, "dump"]);
  if (dump.code !== 0) {
    const isDenied = /not permitted|denied/i.test(dump.said);
    yield isDenied
      ? bad(name, `wg may not look at ${name}`, AS_ROOT)
      : bad(
          name,
          `there is no WireGuard interface ${name}`,
          `make it with wg-quick up ${name}, or with sidewire-mesh up ${name} --create`,
        );
    return;
  }
  const [own = "", ...peers] = dump.said.split("\n");
  const [privateKey = "", , port = "0"] = own.split("\t");
  if (privateKey === "(none)")
    yield bad(name, `${name} has no private key`, `wg set ${name} private-key FILE`);
  else if (port === "0")
    yield bad(
      name,
      `${name} has no port, as it is down`,
      `ip link set ${name} up, or wg set ${name} listen-port 51820`,
    );
  else if (peers.length === 0)
    yield warning(name, `${name} has no peers`, `wg set ${name} peer KEY allowed-ips 10.9.0.2/32`);
  else yield ok(name, `port ${port}, ${peers.length === 1 ? "1 peer" : `${peers.length} peers`}`);
  if (index !== undefined) yield* lookAtManagers(machine, name, index);
}

/** Looks for other programs that manage interfaces: they may undo changes. */
async function* lookAtManagers(machine: Machine, name: string, index: string): AsyncGenerator<Finding> {
  const link = (await machine.read(`/run/systemd/netif/links/${index}`)) ?? "";
  const [, state = "unmanaged"] = /^ADMIN_STATE=(.*)$/m.exec(link) ?? [];
  if (state !== "unmanaged")
    yield warning(
      "networkd",
      `systemd-networkd manages ${name} too, and removes routes and addresses that it does not know`,
      `let it go: a .network file with [Match] Name=${name} and [Link] Unmanaged=yes`,
    );
  if ((await machine.find("nmcli")) === undefined) return;
  const { said } = await machine.run("nmcli", ["-g", "GENERAL.STATE", "device", "show", name]);
  // 10 means unmanaged. An interface that others set up is only shown: "100 (connected (externally))".
  if (/^\d+ /.test(said) && !said.startsWith("10 ") && !said.includes("externally"))
    yield warning(
      "NetworkManager",
      `NetworkManager manages ${name} too, and may put back what it thinks is right`,
      `let it go: nmcli device set ${name} managed no`,
    );
}
