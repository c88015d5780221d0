import { randomBytes } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import type { Endpoint } from "../ip/endpoint.js";
import { formatEndpoint } from "../ip/endpoint.js";
import { ProbeSockets } from "../probe/probe-sockets.js";
import {
  type Attribute,
  StunAttribute,
  StunMessage,
  StunType,
  TRANSACTION_BYTES,
  writeStun,
} from "../probe/stun-message.js";

/** When a request is repeated, in ms after the first one, and when it is given up. */
const SEND_AT_MS = [0, 100, 300, 600] as const;
const GIVEN_UP_MS = 1000;

/** The bits of CHANGE-REQUEST (RFC 5780, section 7.2). */
const Change = { Nothing: 0, Port: 2, AddressAndPort: 6 } as const;

/**
 * Whose packets a NAT lets in to a port that has sent to one server (RFC 4787, section 5): everybody's packets; packets
 * from the server's address; packets from its address and port. `unknown`: no answer came, or the server has no second
 * address for the test.
 */
export type Filtering =
  | "endpoint-independent"
  | "address-dependent"
  | "address-and-port-dependent"
  | "unknown";

/**
 * Finds out what NATs and firewalls let in (RFC 5780, section 4.4). The test uses a new socket. An old port may have
 * sent to the server's other address before, and then the result would be wrong.
 * @param server - a server with OTHER-ADDRESS, such as coturn on two addresses
 * @returns the result within 3 s; never rejects
 */
export async function filteringOf(server: Endpoint, signal?: AbortSignal): Promise<Filtering> {
  let receive: (bytes: Uint8Array, remote: Endpoint) => void = () => {};
  const sockets = await ProbeSockets.open((bytes, remote) => receive(bytes, remote)).catch(() => undefined);
  if (sockets === undefined) return "unknown";
  await using _ = sockets;

  /** Asks the server to answer from another place. Resolves with the first such answer, or undefined. */
  const ask = async (
    change: number,
    isRight: (remote: Endpoint) => boolean,
  ): Promise<StunMessage | undefined> => {
    const transaction = new Uint8Array(randomBytes(TRANSACTION_BYTES));
    const wanted: Attribute = [StunAttribute.ChangeRequest, Uint8Array.of(0, 0, 0, change)];
    const request = writeStun(
      StunType.BindingRequest,
      transaction,
      change === Change.Nothing ? [] : [wanted],
    );
    const answered = new AbortController();
    const over = AbortSignal.any(signal === undefined ? [answered.signal] : [answered.signal, signal]);
    let answer: StunMessage | undefined;
    receive = (bytes, remote) => {
      const message = StunMessage.read(bytes);
      if (message?.type !== StunType.BindingSuccess || !isRight(remote)) return;
      if (Buffer.compare(message.transaction, transaction) !== 0) return;
      answer ??= message;
      answered.abort();
    };
    for (const [i, at] of SEND_AT_MS.entries()) {
      if (over.aborted) break;
      sockets.send(request, server);
      await wait((SEND_AT_MS[i + 1] ?? GIVEN_UP_MS) - at, undefined, { signal: over }).catch(() => {});
    }
    return answer;
  };

  const near = await ask(Change.Nothing, (remote) => formatEndpoint(remote) === formatEndpoint(server));
  const other = near?.addressIn(StunAttribute.OtherAddress);
  if (other === undefined || other.address === server.address || other.port === server.port) return "unknown";
  const far = await ask(Change.AddressAndPort, (remote) => formatEndpoint(remote) === formatEndpoint(other));
  if (far !== undefined) return "endpoint-independent";
  const isNext = ({ address, port }: Endpoint): boolean => address === server.address && port === other.port;
  if ((await ask(Change.Port, isNext)) !== undefined) return "address-dependent";
  return signal?.aborted === true ? "unknown" : "address-and-port-dependent";
}
