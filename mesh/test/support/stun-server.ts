import { createSocket, type Socket } from "node:dgram";
import { parseAddress } from "../../src/ip/address.js";
import { type Endpoint, endpointOf } from "../../src/ip/endpoint.js";
import { StunMessage, StunType, writeStun, xorMappedAddress } from "../../src/probe/stun-message.js";

/** What a server answers. */
export interface Answering {
  /** What it says that it saw; what it saw, if it is honest. Undefined: it says nothing. */
  readonly says?: (seen: Endpoint) => Endpoint | undefined;
  /** From which port it answers, if not from its own. */
  readonly from?: Socket;
  /** How many requests it does not hear at first. */
  readonly isDeafTo?: number;
}

/** A small STUN server on loopback. */
export class StunServer implements AsyncDisposable {
  requests = 0;
  readonly #socket: Socket;

  private constructor(
    socket: Socket,
    readonly endpoint: Endpoint,
  ) {
    this.#socket = socket;
  }

  static async start(
    address: string,
    { says = (seen) => seen, from, isDeafTo = 0 }: Answering = {},
  ): Promise<StunServer> {
    const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
    await new Promise<void>((resolve) => socket.bind({ port: 0, address, exclusive: true }, resolve));
    const endpoint = endpointOf(parseAddress(address), socket.address().port);
    if (endpoint === undefined) throw new Error("no endpoint");
    const server = new StunServer(socket, endpoint);
    socket.on("message", (bytes, remote) => {
      const request = StunMessage.read(bytes);
      const seen = endpointOf(parseAddress(remote.address), remote.port);
      const said = seen && says(seen);
      if (request?.type !== StunType.BindingRequest || ++server.requests <= isDeafTo || said === undefined)
        return;
      const answer = writeStun(StunType.BindingSuccess, request.transaction, [
        xorMappedAddress(said, request.transaction),
      ]);
      (from ?? socket).send(answer, remote.port, remote.address);
    });
    return server;
  }

  /** As users write it. */
  get name(): string {
    const { address, family, port } = this.endpoint;
    return family === 4 ? `${address}:${port}` : `[${address}]:${port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise<void>((done) => this.#socket.close(done));
  }
}
