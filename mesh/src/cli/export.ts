import { randomBytes } from "node:crypto";
import { networkInterfaces } from "node:os";
import { addressFrom, allowedIpFrom, checkHostPort } from "../config/parts.js";
import { MeshError } from "../errors.js";
import type { CandidateInfo } from "../info.js";
import { type AddressBytes, formatAddress, parseAddress } from "../ip/address.js";
import { parseEndpoint } from "../ip/endpoint.js";
import { contains, formatPrefix, type Prefix, parsePrefix } from "../ip/prefix.js";
import { scopeOf } from "../ip/scope.js";
import { confOfPhone } from "../origins/phone.js";
import { formatKey, KEY_BYTES, newPrivateKey, publicKeyOf } from "../wireguard-key.js";
import type { Context } from "./context.js";
import { type ExitCode, UsageError } from "./failure.js";
import { type LiveInterface, liveInterface } from "./live-interface.js";
import { printable } from "./printable.js";
import { qrCode } from "./qr.js";

export interface ExportOptions {
  readonly address: readonly string[];
  readonly endpoint?: string;
  readonly allowedIps?: readonly string[];
  readonly dns?: readonly string[];
}

/** Prints a configuration for a device with only WireGuard, such as a phone, and the command that adds it as a peer. */
export async function exportPhone(
  context: Context,
  name: string | undefined,
  { address, endpoint, allowedIps, dns = [] }: ExportOptions,
): Promise<ExitCode> {
  const { output } = context;
  const addresses = address.map((one) => hostPrefix(one));
  const servers = dns.map(dnsServer);
  const place = endpoint === undefined ? undefined : checkHostPort(endpoint, "--endpoint");
  const given = allowedIps?.map((one) => allowedIpFrom(one, "--allowed-ips"));
  const live = await liveInterface(context, name);
  if (live.publicKey === undefined) throw new MeshError("NOT_CONFIGURED", `${live.name} has no private key`);
  const networks = networksOf(live.name);
  checkFree(live, ownAddressesOf(live.name), addresses);
  const reached = given ?? networks.filter(({ address: first }) => scopeOf(first) !== "link-local");
  if (reached.length === 0)
    throw new UsageError(`--allowed-ips is missing: ${live.name} has no network that the phone could reach`);
  const [privateKey, presharedKey] = [newPrivateKey(), new Uint8Array(randomBytes(KEY_BYTES))];
  const host = {
    publicKey: live.publicKey,
    endpoint: place ?? placeOf(live.candidates),
    allowedIps: reached,
  };
  const conf = confOfPhone({ privateKey, addresses, dns: servers, presharedKey, host });
  const publicKey = formatKey(publicKeyOf(privateKey));
  const ips = addresses.map(formatPrefix).join(",");
  const admit = `wg set ${live.name} peer ${publicKey} preshared-key /dev/stdin allowed-ips ${ips}`;
  await output.result({ conf, publicKey, presharedKey: formatKey(presharedKey), admit }, () =>
    conf.trimEnd(),
  );
  if (output.columns !== undefined && !output.json) await output.write(`\n${qrCode(conf, output.paint)}\n\n`);
  output.note(
    `Whoever has this file is the phone. It is shown once. Let it in on this host by:\n` +
      `  echo ${formatKey(presharedKey)} | sudo ${printable(admit)}`,
  );
  return 0;
}

/** The networks that an interface has an address in, each once. An address without a network counts as well. */
function networksOf(name: string): Prefix[] {
  const all = (networkInterfaces()[name] ?? []).flatMap(({ cidr }) => parsePrefix(cidr ?? "") ?? []);
  return [...new Map(all.map((prefix) => [formatPrefix(prefix), prefix])).values()];
}

/** The addresses that an interface has. */
function ownAddressesOf(name: string): AddressBytes[] {
  return (networkInterfaces()[name] ?? []).flatMap(({ address }) => parseAddress(address) ?? []);
}

/** The address of the phone as a prefix of one address. */
function hostPrefix(text: string): Prefix {
  const bytes = parseAddress(addressFrom(text, "--address").address) ?? new Uint8Array();
  return { address: bytes, bits: bytes.length * 8 };
}

function dnsServer(text: string): string {
  const bytes = parseAddress(text);
  if (bytes === undefined) throw new UsageError(`--dns ${text}: an address is expected, as in 10.9.0.1`);
  return formatAddress(bytes);
}

/** Allowed IPs of at most this many bits are a way out to the internet. No host has all these addresses as its own. */
const WAY_OUT_BITS = 1;

/** @throws {@link MeshError} `CONFLICT` when this host or a peer has the address of the phone */
function checkFree(
  { peers, name }: LiveInterface,
  own: readonly AddressBytes[],
  addresses: readonly Prefix[],
): void {
  for (const one of addresses) {
    const text = formatPrefix(one);
    if (own.some((address) => contains(one, address)))
      throw new MeshError("CONFLICT", `${text} is the address of this host on ${name}: choose a free one`);
    for (const { publicKey, name: called, allowedIps } of peers) {
      const range = allowedIps.find((allowed) => {
        const prefix = parsePrefix(allowed);
        return prefix !== undefined && prefix.bits > WAY_OUT_BITS && contains(prefix, one.address);
      });
      if (range === undefined) continue;
      const who = `the peer ${called === undefined ? "" : `${called}, `}${publicKey} of ${name}`;
      const whose = range === text ? `is an allowed IP of ${who}` : `is in ${range}, an allowed IP of ${who}`;
      throw new MeshError("CONFLICT", `${text} ${whose}: choose a free one`);
    }
  }
}

/** The best public endpoint of this host. The phone only has WireGuard, so it cannot search for a path. */
function placeOf(candidates: readonly CandidateInfo[]): string {
  const ranks = ["configured", "mapped", "host"] as const;
  for (const kind of ranks) {
    const found = candidates.find((one) => one.kind === kind && isPublic(one.endpoint));
    if (found !== undefined) return found.endpoint;
  }
  throw new UsageError(
    "--endpoint HOST:PORT is missing: no public address of this host, and no port of its router, is known to lead here",
  );
}

function isPublic(text: string): boolean {
  const bytes = parseAddress(parseEndpoint(text)?.address ?? "");
  return bytes !== undefined && scopeOf(bytes) === "global";
}
