import { lookup, Resolver } from "node:dns/promises";
import { readFile } from "node:fs/promises";
import { isIP } from "node:net";
import { abortable, onAbort, throwIfAborted } from "../base/abort.js";

/** IP version 4 or 6. */
export type IpVersion = 4 | 6;

/** After how long the next name server is asked, ms, and how often each of them is. */
const PATIENCE = { timeout: 1000, tries: 2 };

/** What is listed here is asked of no name server (hosts(5)). */
const HOSTS_FILE = "/etc/hosts";

/**
 * The addresses of a host's name, best first within each version; empty when it has none of these versions.
 *
 * The system's own call (getaddrinfo) cannot be ended: where no name server answers, each one takes a thread of the
 * pool for many seconds, and the process does not end before it. So on Linux the hosts file and the name servers are
 * read and asked here, and the signal ends that at once. The system is left what it alone knows, such as other sources
 * of names and domains to search: when a name server has answered, and did not know the name. Names in `.local` are
 * no name server's (RFC 6762). Elsewhere the system may have name servers for some domains alone, as VPNs bring them,
 * and is always the one that is asked.
 *
 * @throws the system's error, with its code; AbortError
 */
export async function lookUp(
  host: string,
  versions: readonly IpVersion[],
  signal: AbortSignal,
): Promise<readonly string[]> {
  throwIfAborted(signal);
  if (isIP(host) !== 0) return [host];
  if (process.platform === "linux" && !/\.local\.?$/i.test(host)) {
    const listed = await inHostsFile(host, versions);
    if (listed.length > 0) return listed;
    const found = await byNameServers(host, versions, signal);
    if (found.length > 0) return found;
  }
  return await bySystem(host, versions, signal);
}

async function inHostsFile(host: string, versions: readonly IpVersion[]): Promise<string[]> {
  const text = (await readFile(HOSTS_FILE, "latin1").catch(() => "")).toLowerCase();
  const name = host.toLowerCase();
  // Some files list a hundred thousand hosts.
  if (!text.includes(name)) return [];
  return text.split("\n").flatMap((line) => {
    const [address = "", ...names] = line.replace(/#.*/, "").trim().split(/\s+/);
    return names.includes(name) && versions.some((version) => isIP(address) === version) ? [address] : [];
  });
}

/** @throws when none has answered in time */
async function byNameServers(
  host: string,
  versions: readonly IpVersion[],
  signal: AbortSignal,
): Promise<string[]> {
  throwIfAborted(signal);
  // A new one each time: the system's name servers change with the network.
  const resolver = new Resolver(PATIENCE);
  const stopListening = onAbort(signal, () => resolver.cancel());
  try {
    const asked = versions.map((version) =>
      version === 4 ? resolver.resolve4(host) : resolver.resolve6(host),
    );
    const answers = await abortable(Promise.allSettled(asked), signal);
    const found = answers.flatMap((answer) => (answer.status === "fulfilled" ? answer.value : []));
    const failures = answers.flatMap((answer) => (answer.status === "rejected" ? [answer.reason] : []));
    const silence = failures.find(({ code }) => code === "ETIMEOUT");
    if (found.length === 0 && silence !== undefined) throw silence;
    return found;
  } finally {
    stopListening();
  }
}

async function bySystem(
  host: string,
  versions: readonly IpVersion[],
  signal: AbortSignal,
): Promise<string[]> {
  const [family = 0, other] = versions;
  const options = { all: true, family: other === undefined ? family : 0, verbatim: true } as const;
  return (await abortable(lookup(host, options), signal)).map(({ address }) => address);
}
