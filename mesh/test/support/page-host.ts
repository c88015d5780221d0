import { chmodSync, copyFileSync, existsSync, mkdirSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Host, Lab, LongRunning } from "../../lab/index.js";
import { type Finished, run } from "../../lab/run.js";

const BIN: string = join(import.meta.dirname, "../../bin/sidewire-mesh.js");

/** Folders that each host of a lab has for itself here, as machines have. */
const OWN = ["/run", "/var/lib", "/etc"] as const;

/** The files of `/etc` that programs need. The rest of that folder is left out: it is the tester's. */
const SHARED = "passwd group nsswitch.conf host.conf resolv.conf ld.so.cache protocols services".split(" ");

/**
 * A machine on which a reader types what a page shows. It has files of its own, so every machine can have the same
 * interface name and the default folders. The brokers and STUN servers are those of the lab, since a lab has no public
 * ones. `sudo`, `apt-get`, `npm` and `systemctl` are replaced: see {@link PROGRAMS}.
 */
class PageHost {
  readonly host: Host;
  /** The folder in which the blocks run. */
  readonly folder: string;
  readonly #root: string;

  constructor(lab: Lab, name: string) {
    this.host = lab.host(name);
    this.#root = join(lab.folder, `machine-${name}`);
    this.folder = join(this.#root, "home");
    const folders = [
      "/etc/wireguard",
      "/etc/systemd/system",
      "/etc/sysctl.d",
      "/etc/alternatives",
      "/home/node_modules/.bin",
      "/bin",
    ];
    for (const path of [...OWN, ...folders]) mkdirSync(join(this.#root, path), { recursive: true });
    for (const file of SHARED)
      if (existsSync(`/etc/${file}`)) copyFileSync(`/etc/${file}`, join(this.#root, "etc", file));
    writeFileSync(join(this.#root, "etc/hosts"), "127.0.0.1\tlocalhost\n");
    const command = commandFor(lab);
    for (const [name, text] of Object.entries({ ...PROGRAMS, "sidewire-mesh": command }))
      this.#program(`bin/${name}`, text);
    this.#program("home/node_modules/.bin/sidewire-mesh", command);
  }

  /** Writes a file that the reader is told to write. @param path - relative to the home folder, or absolute */
  write(path: string, text: string): void {
    const place = path.startsWith("/") ? join(this.#root, path) : join(this.folder, path);
    mkdirSync(join(place, ".."), { recursive: true });
    writeFileSync(place, text, { mode: 0o600 });
  }

  /** Runs a block to its end. @returns what it wrote to stdout; throws when a line of it fails */
  async run(block: string): Promise<string> {
    const { code, stdout, stderr } = await this.tryRun(block);
    if (code !== 0) throw new Error(`${this.host.name}: ${block}\nended with ${code}:\n${stdout}${stderr}`);
    return stdout;
  }

  async tryRun(block: string): Promise<Finished> {
    return await this.host.tryRun(this.#argv(block), { cwd: this.folder });
  }

  /** Starts a block whose last line stays in the foreground. */
  start(block: string): LongRunning {
    return this.host.spawn(this.#argv(`cd "${this.folder}"\n${block}`));
  }

  /** Ends all programs of this machine. Those that a block has put into the background are nobody's children. */
  async end(): Promise<void> {
    const here = readlinkSync("/proc/self/ns/mnt");
    for (const pid of (await run(["ip", "netns", "pids", this.host.namespace.name]))
      .split("\n")
      .filter(Boolean)) {
      try {
        // The lab's own programs are in the namespace too, with the tester's files.
        if (readlinkSync(`/proc/${pid}/ns/mnt`) !== here) process.kill(Number(pid), "SIGKILL");
      } catch {
        // It has ended meanwhile.
      }
    }
  }

  #program(path: string, text: string): void {
    writeFileSync(join(this.#root, path), `#!/bin/bash\n${text}\n`);
    chmodSync(join(this.#root, path), 0o755);
  }

  #argv(block: string): string[] {
    const script = [
      // Debian's links to programs lead there, so it is kept before the folder above it is replaced.
      'if [ -d /etc/alternatives ]; then mount --bind /etc/alternatives "$0/etc/alternatives"; fi',
      ...OWN.map((path) => `mount --rbind "$0${path}" ${path}`),
      'export PATH="$0/bin:$PATH" HOME="$0/home"',
      'exec bash -e -c "$1"',
    ].join(" && ");
    return ["unshare", "--mount", "sh", "-c", script, this.#root, block];
  }
}

export type { PageHost };

/** Machines of a lab. `await using` ends their programs. */
export class PageHosts implements AsyncDisposable {
  readonly all: readonly PageHost[];

  constructor(lab: Lab, names: readonly string[]) {
    this.all = names.map((name) => new PageHost(lab, name));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.all.map(async (host) => await host.end()));
  }
}

/** The command, which is told of the lab's servers where it would take public ones. */
function commandFor({ brokersFile, stun }: Lab): string {
  const command = `"${process.execPath}" "${BIN}"`;
  const servers = `--stun "${stun.join(",")}"`;
  return `case "$1" in
  up|netcheck) exec ${command} "$@" --brokers "${brokersFile}" ${servers} ;;
  join) exec ${command} "$@" ${servers} ;;
  *) exec ${command} "$@" ;;
esac`;
}

/**
 * `sudo` has nothing to do, because the lab runs as root. `apt-get` and `npm` have done their work already: the lab's
 * programs are there, and the command is built. `systemctl` starts and ends the program of a unit,
 * as the command that is told of the lab's servers.
 */
const PROGRAMS: Readonly<Record<string, string>> = {
  sudo: 'exec "$@"',
  "apt-get": '[ "$1" = install ]',
  npm: '[ "$*" = ci ] || [ "$*" = "run build" ]',
  systemctl: `units=/etc/systemd/system
unit="\${@: -1}"
name="\${unit#*@}"; name="\${name%.service}"
case "$1 $2" in
  "daemon-reload "*) ;;
  "enable --now")
    [ -f "$units/sidewire-mesh@.service" ] || exit 1
    line=$(cat "$units/sidewire-mesh@.service" "$units/$unit.d/interface.conf" 2>/dev/null |
      sed -n 's/^ExecStart=\\(..*\\)/\\1/p' | tail -n 1)
    line=\${line//%i/$name}
    line=\${line//\\$\\{STATE_DIRECTORY\\}//var/lib/sidewire-mesh}
    setsid bash -c "exec sidewire-mesh \${line#*/sidewire-mesh.js }" </dev/null >/var/lib/journal 2>&1 &
    echo $! >/var/lib/unit.pid
    # A unit of the type notify has started when it says so.
    until grep -q "is looked after" /var/lib/journal; do sleep 0.05; kill -0 $! || exit 1; done ;;
  "disable --now") kill -INT "$(cat /var/lib/unit.pid)" ;;
  *) exit 1 ;;
esac`,
};
