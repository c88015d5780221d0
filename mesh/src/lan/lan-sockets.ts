import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { parseAddress } from "../ip/address.js";
import { contains } from "../ip/prefix.js";
import { LAN_GROUP, LAN_PORT, type LanPlace } from "./lan-places.js";

/** @param address - as the system writes it */
export type OnDatagram = (bytes: Uint8Array, address: string, port: number) => void;

/** The sockets of a LAN: one sending socket for each own address, and one listening socket for each family. */
export class LanSockets {
  readonly #onDatagram: OnDatagram;
  readonly #port: number;
  readonly #speaking = new Map<string, { readonly place: LanPlace; readonly socket: Socket }>();
  readonly #hearing = new Map<4 | 6, Socket>();
  #turn: Promise<void> = Promise.resolve();
  #isClosed = false;

  /** @param port - for tests */
  constructor(onDatagram: OnDatagram, port: number = LAN_PORT) {
    this.#onDatagram = onDatagram;
    this.#port = port;
  }

  get places(): readonly LanPlace[] {
    return Array.from(this.#speaking.values(), ({ place }) => place);
  }

  /** Uses exactly these places. A place that does not work is left out, and the next call tries it again. */
  set(places: readonly LanPlace[]): Promise<void> {
    this.#turn = this.#turn.then(async () => await this.#set(places));
    return this.#turn;
  }

  /** Sends a datagram to everybody at a place. */
  shout(bytes: Uint8Array, place: LanPlace): void {
    this.#send(place, bytes, this.#port, place.everybody);
  }

  /** Sends a datagram to one host of a directly connected network. */
  answer(bytes: Uint8Array, address: string, port: number): void {
    const to = parseAddress(address);
    const place = this.places.find(({ network }) => to !== undefined && contains(network, to));
    if (place !== undefined) this.#send(place, bytes, port, address);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#turn;
    const all = [...this.#hearing.values(), ...Array.from(this.#speaking.values(), ({ socket }) => socket)];
    this.#hearing.clear();
    this.#speaking.clear();
    await Promise.all(all.map((socket) => new Promise<void>((done) => socket.close(() => done()))));
  }

  async #set(places: readonly LanPlace[]): Promise<void> {
    const wanted = new Map(places.map((place) => [keyOf(place), place]));
    for (const [key, { socket }] of this.#speaking) {
      if (wanted.has(key)) continue;
      this.#speaking.delete(key);
      socket.close();
    }
    for (const [key, place] of wanted) {
      if (this.#isClosed) return;
      if (!this.#hearing.has(place.family)) {
        const all = place.family === 4 ? "0.0.0.0" : "::";
        const socket = await this.#bind(place.family, all, this.#port);
        if (socket !== undefined) this.#hearing.set(place.family, socket);
      }
      if (place.family === 6) this.#join(place.device);
      if (this.#speaking.has(key)) continue;
      const socket = await this.#bind(place.family, place.own, 0);
      if (socket === undefined) continue;
      if (place.family === 4) socket.setBroadcast(true);
      this.#speaking.set(key, { place, socket });
    }
  }

  /** Joins the group. A membership ends when its interface disappears. */
  #join(device: string): void {
    try {
      this.#hearing.get(6)?.addMembership(LAN_GROUP, `::%${device}`);
    } catch {
      // The group was joined already, or the interface has just disappeared.
    }
  }

  #send(place: LanPlace, bytes: Uint8Array, port: number, to: string): void {
    try {
      // A datagram that cannot be sent is lost, as always with UDP.
      this.#speaking.get(keyOf(place))?.socket.send(bytes, port, to, () => {});
    } catch {
      // The datagram is lost, too.
    }
  }

  async #bind(family: 4 | 6, address: string, port: number): Promise<Socket | undefined> {
    const socket = createSocket({
      type: family === 4 ? "udp4" : "udp6",
      ipv6Only: family === 6,
      // Several daemons on a host listen at the same port. Each of them gets the datagrams for everybody.
      reuseAddr: port !== 0,
      lookup: (host, _options, callback) => callback(null, host, family),
    });
    return await new Promise((resolve) => {
      socket.once("error", () => {
        socket.close();
        resolve(undefined);
      });
      socket.bind({ address, port, exclusive: true }, () => {
        socket.removeAllListeners("error");
        socket.on("error", () => {});
        socket.on("message", (bytes: Buffer, from: RemoteInfo) => {
          if (!this.#isClosed) this.#onDatagram(bytes, from.address, from.port);
        });
        resolve(socket);
      });
    });
  }
}

function keyOf({ own, device, everybody }: LanPlace): string {
  return `${own} ${device} ${everybody}`;
}
