/** Removes what labs are made of: this lab's at its end, and at each start what killed runs left. */
import { execFileSync } from "node:child_process";
import { readdirSync, readlinkSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type LabName, NETNS, readInterface, readName, WIREGUARD_SOCKETS } from "./names.js";

type Owner = Pick<LabName, "pid" | "number">;

/** Removes labs whose process is gone. */
export function sweep(): void {
  removeAll(({ pid }) => !isAlive(pid));
}

/** Removes one lab: ends what runs in its namespaces, deletes those, the sockets of wireguard-go, its folder. */
export function removeLab({ pid, number }: Owner): void {
  removeAll((owner) => owner.pid === pid && owner.number === number);
}

function removeAll(isDoomed: (owner: Owner) => boolean): void {
  const ours = (text: string): boolean => {
    const owner = readName(text);
    return owner !== undefined && isDoomed(owner);
  };
  const namespaces = list(NETNS).filter(ours);
  if (namespaces.length > 0) {
    killInside(namespaces);
    try {
      // With -force one that somebody else removed in the meantime is no failure.
      execFileSync("ip", ["-force", "-batch", "-"], {
        input: namespaces.map((name) => `netns del ${name}\n`).join(""),
        stdio: ["pipe", "ignore", "ignore"],
      });
    } catch {
      // Whatever is left, the next start finds.
    }
  }
  for (const socket of list(WIREGUARD_SOCKETS)) {
    const owner = readInterface(socket);
    if (owner !== undefined && isDoomed(owner)) rmSync(join(WIREGUARD_SOCKETS, socket), { force: true });
  }
  // The folder last: as long as it is there, nobody takes the name.
  for (const folder of list(tmpdir()).filter(ours))
    rmSync(join(tmpdir(), folder), { recursive: true, force: true });
}

/** Kills the processes in these namespaces, and waits until they are gone. */
function killInside(namespaces: readonly string[]): void {
  const inodes = new Set(namespaces.flatMap((name) => inodeOf(name)));
  const inside = (): number[] =>
    list("/proc")
      .filter((entry) => /^\d+$/.test(entry) && inodes.has(netnsOf(entry)))
      .map(Number);
  for (const deadline = Date.now() + 5000; Date.now() < deadline; ) {
    const pids = inside();
    if (pids.length === 0) return;
    for (const pid of pids) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It has ended by itself.
      }
    }
    pause(2);
  }
}

/** The way out of a process is synchronous. */
function pause(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

function inodeOf(namespace: string): string[] {
  try {
    return [`net:[${statSync(join(NETNS, namespace)).ino}]`];
  } catch {
    return [];
  }
}

function netnsOf(pid: string): string {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return "";
  }
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}
