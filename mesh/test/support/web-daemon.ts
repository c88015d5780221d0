import { join } from "node:path";
import { ControlServer } from "../../src/control/server.js";
import { MeshError } from "../../src/errors.js";
import type { MeshInfo, PathKind, PeerInfo } from "../../src/info.js";
import type {
  MemberInfo,
  MembershipReply,
  MembershipRequest,
  NetworkInfo,
} from "../../src/membership/requests.js";
import { FakeMesh, someInfo } from "./fake-mesh.js";

const KINDS: readonly (PathKind | undefined)[] = [
  "lan",
  "nat",
  "nat",
  "ipv6",
  "relay",
  "nat",
  undefined,
  "turn",
];
const PLACES = ["ams", "fra", "sgp", "home", "lab", "pi", "web", "db"];

/** A key that is another one for each number. */
export function keyOf(number: number): string {
  return Buffer.from(
    Array.from({ length: 32 }, (_, i) => (number * 31 + i * 7 + (number >> 3)) & 255),
  ).toString("base64");
}

/** The peer of this number, of any kind. */
export function peerOf(i: number, now: number, more: Partial<PeerInfo> = {}): PeerInfo {
  const kind = KINDS[i % KINDS.length];
  const endpoint = kind === "ipv6" ? `[2001:db8:41::${i + 1}]:51820` : `203.0.113.${i + 1}:${40_000 + i}`;
  return {
    publicKey: keyOf(i + 1),
    name: `${PLACES[i % PLACES.length]}-${Math.floor(i / PLACES.length) + 1}`,
    state: kind === undefined ? "probing" : kind === "relay" || kind === "turn" ? "relayed" : "direct",
    path:
      kind === undefined
        ? undefined
        : {
            kind,
            endpoint: kind === "lan" ? `192.168.1.${i + 20}:51820` : endpoint,
            roundTripMs: kind === "lan" ? 0.4 + i / 10 : 8.25 + i * 3,
            since: now - 250_000,
            ...(kind === "relay" ? { relay: keyOf(1) } : {}),
            ...(kind === "turn" ? { turn: "turn.example.org:3478" } : {}),
          },
    reason: kind === undefined ? "no path yet: the peer has not answered, probing 3 candidates" : "",
    lastHandshakeAt: kind === undefined ? undefined : now - 42_000 - i * 1000,
    receivedBytes: kind === undefined ? 0 : 1_234_567 * (i + 1),
    sentBytes: 890_123 + i * 4567,
    allowedIps: [`10.9.0.${i + 2}/32`, `fd5c:12ab:77e0:9d41::${i + 2}/128`],
    ...more,
  };
}

/** A network of these peers and this host. */
export function networkOf(info: MeshInfo, more: Partial<NetworkInfo> = {}): NetworkInfo {
  const member = (
    publicKey: string,
    name: string,
    addresses: readonly string[],
    isSelf: boolean,
  ): MemberInfo => ({
    publicKey,
    name,
    addresses,
    isAdmin: isSelf,
    groups: [],
    routes: [],
    mayRelay: true,
    isSelf,
    since: info.since,
  });
  return {
    name: "office",
    id: "0123456789abcdef0123456789abcdef",
    isAdmin: true,
    members: [
      member(info.publicKey, "desk", ["10.9.0.1"], true),
      ...info.peers.map(({ publicKey, name = "", allowedIps }) =>
        member(
          publicKey,
          name,
          allowedIps.map((ip) => ip.replace(/\/\d+$/, "")),
          false,
        ),
      ),
    ],
    waiting: [],
    troubles: [],
    ...more,
  };
}

/** A fake mesh whose network and invitations are what a test says. */
export class WebMesh extends FakeMesh {
  network: NetworkInfo | undefined;
  readonly asked: MembershipRequest[] = [];

  override async membership(request?: MembershipRequest): Promise<MembershipReply> {
    if (request !== undefined && request.do !== "members") this.asked.push(request);
    if (request?.do === "invite") {
      const { uses, expiresS } = request;
      const token = `swm1_${Buffer.alloc(90, 7).toString("base64url")}`;
      return {
        did: "invite",
        token,
        network: this.network?.name ?? request.network ?? "lo",
        uses,
        expires: Date.now() + expiresS * 1000,
        notes: [],
      };
    }
    if (this.network === undefined) throw new MeshError("NO_NETWORK", "it belongs to no network");
    return { did: "members", network: this.network };
  }
}

/** The control socket of a daemon with a fake mesh, where the command finds it. */
export async function startWebDaemon(
  folder: string,
  mesh: WebMesh,
): Promise<{ readonly control: ControlServer; readonly env: NodeJS.ProcessEnv }> {
  const control = await ControlServer.open({ path: join(folder, "lo.sock"), mesh, onDown: () => {} });
  return { control, env: { RUNTIME_DIRECTORY: folder } };
}

/** A mesh with so many peers, in a network. */
export function meshOf(count: number, more: Partial<MeshInfo> = {}): WebMesh {
  const now = Date.now();
  const mesh = new WebMesh();
  const peers = Array.from({ length: count }, (_, i) => peerOf(i, now));
  mesh.now = someInfo({ peers, since: now - 3_700_000, ...more });
  mesh.network = networkOf(mesh.now);
  return mesh;
}
