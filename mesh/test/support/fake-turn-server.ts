import { randomBytes } from "node:crypto";
import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { onTestFinished } from "vitest";
import { type Endpoint, parseEndpoint } from "../../src/ip/endpoint.js";
import {
  type Attribute,
  addressValue,
  SHA1_INTEGRITY,
  StunAttribute,
  StunMessage,
  writeStun,
  xoredAddressValue,
} from "../../src/probe/stun-message.js";
import { longTermKey } from "../../src/turn/long-term.js";
import { lifetime, TurnAttribute, TurnClass, TurnMethod } from "../../src/turn/turn-message.js";

export const CREDENTIALS = { username: "ann", password: "of the test" } as const;
const REALM: Buffer = Buffer.from("test");
const NONCE: Buffer = Buffer.from("a nonce");
const DATA_INDICATION = 0x0017;

/** What a server does else than a good one. */
export interface Faults {
  /** The error that each request of these methods gets, once it is signed. */
  readonly errors?: Partial<Record<keyof typeof TurnMethod, number>>;
  readonly relayed?: string;
  /** Of the allocation, s. */
  readonly lifetime?: number;
  /** Of each refresh, s. */
  readonly refreshed?: number;
  /** A new nonce is wanted for each request. */
  readonly hasStaleNonces?: boolean;
  /** Nobody's credentials are right. */
  readonly isStrict?: boolean;
  /** Answers are signed by a wrong key. */
  readonly isForged?: boolean;
  /** Where the client is sent on to, with error 300. */
  readonly alternate?: string;
}

/** A TURN server that relays nothing: a test says what comes from peers, and sees what goes to them. */
export class FakeTurnServer {
  readonly endpoint: Endpoint;
  faults: Faults = {};
  /** The methods of all requests, in their order; `free` for a refresh that ends the allocation. */
  readonly asked: string[] = [];
  /** All that came and is no request. */
  readonly sent: Buffer[] = [];
  /** The address of each permission, and the numbers of channels by peer. */
  readonly permitted: string[] = [];
  readonly channels: Map<string, number> = new Map<string, number>();
  readonly #socket: Socket;
  /** Who asked last. */
  client: RemoteInfo | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.endpoint = { address: "127.0.0.1", family: 4, port: socket.address().port };
    socket.on("message", (bytes, from) => this.#receive(bytes, from));
  }

  static async start(faults: Faults = {}): Promise<FakeTurnServer> {
    const socket = createSocket("udp4");
    await new Promise<void>((done) => socket.bind(0, "127.0.0.1", done));
    onTestFinished(() => void socket.close());
    const server = new FakeTurnServer(socket);
    server.faults = faults;
    return server;
  }

  /** As if a peer had sent something to the relayed address. */
  fromPeer(peer: string, data: Uint8Array): void {
    const transaction = randomBytes(12);
    const address = xoredAddressValue(endpointOf(peer), transaction);
    this.write(
      writeStun(DATA_INDICATION, transaction, [
        [TurnAttribute.XorPeerAddress, address],
        [TurnAttribute.Data, data],
      ]),
    );
  }

  /** Sends the client anything. */
  write(bytes: Uint8Array): void {
    if (this.client !== undefined) this.#socket.send(bytes, this.client.port, this.client.address);
  }

  #receive(bytes: Buffer, from: RemoteInfo): void {
    this.client = from;
    const request = StunMessage.read(bytes);
    const [name, method] = Object.entries(TurnMethod).find(([, one]) => one === request?.type) ?? [];
    if (request === undefined || method === undefined || name === undefined) {
      this.sent.push(bytes);
      return;
    }
    const left = request.attribute(TurnAttribute.Lifetime);
    const isFreeing = left?.every((byte) => byte === 0) === true;
    this.asked.push(isFreeing ? "free" : name);
    const { isStrict, hasStaleNonces, errors = {}, alternate } = this.faults;
    const key = longTermKey(CREDENTIALS, REALM);
    const challenge: Attribute[] = [
      [TurnAttribute.Realm, REALM],
      [TurnAttribute.Nonce, NONCE],
    ];
    const refuse = (code: number, more: readonly Attribute[], isSigned: boolean): void => {
      const error: Attribute = [
        StunAttribute.ErrorCode,
        Uint8Array.of(0, 0, Math.floor(code / 100), code % 100),
      ];
      this.#answer(method | TurnClass.Error, request, [error, ...more], isSigned);
    };
    const code = isFreeing ? undefined : errors[name as keyof typeof TurnMethod];
    if (isStrict || !request.isSignedBy(key, SHA1_INTEGRITY)) refuse(401, challenge, false);
    else if (hasStaleNonces) refuse(438, challenge, false);
    else if (alternate !== undefined && !isFreeing)
      refuse(300, [[TurnAttribute.AlternateServer, addressValue(endpointOf(alternate))]], true);
    else if (code !== undefined) refuse(code, [], true);
    else this.#answer(method | TurnClass.Success, request, this.#grant(method, request), true);
  }

  #grant(method: number, request: StunMessage): Attribute[] {
    const { relayed = "192.0.2.1:50000", lifetime: seconds = 600, refreshed = 600 } = this.faults;
    const peer = request.xoredAddressIn(TurnAttribute.XorPeerAddress);
    switch (method) {
      case TurnMethod.Allocate: {
        const address = xoredAddressValue(endpointOf(relayed), request.transaction);
        return [[TurnAttribute.XorRelayedAddress, address], lifetime(seconds)];
      }
      case TurnMethod.Refresh:
        return [lifetime(refreshed)];
      case TurnMethod.ChannelBind: {
        const [high = 0, low = 0] = request.attribute(TurnAttribute.ChannelNumber) ?? [];
        this.channels.set(`${peer?.address}:${peer?.port}`, (high << 8) | low);
        return [];
      }
      default:
        this.permitted.push(`${peer?.address}`);
        return [];
    }
  }

  #answer(type: number, { transaction }: StunMessage, attributes: Attribute[], isSigned: boolean): void {
    const password = this.faults.isForged ? "another" : CREDENTIALS.password;
    const key = isSigned ? longTermKey({ ...CREDENTIALS, password }, REALM) : undefined;
    this.write(writeStun(type, transaction, attributes, key, SHA1_INTEGRITY));
  }
}

export function endpointOf(text: string): Endpoint {
  const endpoint = parseEndpoint(text);
  if (endpoint === undefined) throw new Error(`${text} is no endpoint`);
  return endpoint;
}
