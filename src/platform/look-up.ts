import { lookup, Resolver } from "node:dns/promises";
import { readFile } from "node:fs/promises";
import { isIP } from "node:net";
import { abortable, onAbort, throwIfAborted } from "../base/abort.js";

/** The IP version: 4 or 6. */
export type IpVersion = 4 | 6;

/** How long to wait before the next name server is asked, in ms, and how often each name server is asked. */
const PATIENCE = { timeout: 1000, tries: 2 };

/** Names in this file are resolved without a name server (hosts(5)). */
const HOSTS_FILE = "/etc/hosts";

/**
 * The addresses of a host's name. Within each version the best address is first. The list is empty when the name has no
 * address of these versions.
 *
 * On Linux, the hosts file and the name servers are read and asked here, because a signal can end that at once. The
 * system's own call (getaddrinfo) cannot be ended: without an answering name server, each call occupies a thread of the
 * pool for many seconds, and the process cannot exit before that.
 *
 * The system is asked only when a name server has answered and did not know the name: the system may know other sources
 * of names, and search domains. Names in `.local` are never asked of a name server (RFC 6762). On other systems only
 * the system is asked, because it may use certain name servers for some domains only, as VPNs set them up.
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
  // A quick check first: some of these files list a hundred thousand hosts.
  if (!text.includes(name)) return [];
  return text.split("\n").flatMap((line) => {
    const [address = "", ...names] = line.replace(/#.*/, "").trim().split(/\s+/);
    return names.includes(name) && versions.some((version) => isIP(address) === version) ? [address] : [];
  });
}

/** @throws when no name server has answered in time */
async function byNameServers(
  host: string,
  versions: readonly IpVersion[],
  signal: AbortSignal,
): Promise<string[]> {
  throwIfAborted(signal);
  // A new resolver for each call, because the system's name servers change with the network.
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
