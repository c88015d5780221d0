import { request } from "node:http";
import { type Gateway, hostOf } from "./gateway.js";
import { MAX_XML_BYTES } from "./xml.js";

/** The time limit of a request, in ms. */
const LIMIT_MS = 1000;

export interface HttpRequest {
  readonly url: URL;
  /** The body, which makes the request a POST. */
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * Sends one request to the gateway, whatever host the URL names. A redirect is not followed; it is an answer like any
 * other.
 * @throws an error after 1 s, for an answer of more than 64 kB, and for an answer that is not HTTP
 */
export async function ask(
  gateway: Gateway,
  { url, body, headers = {} }: HttpRequest,
  signal: AbortSignal,
): Promise<{ readonly status: number; readonly text: string }> {
  return await new Promise((resolve, reject) => {
    const outgoing = request({
      host: hostOf(gateway),
      port: Number(url.port || 80),
      localAddress: gateway.own,
      path: url.pathname + url.search,
      method: body === undefined ? "GET" : "POST",
      headers: {
        ...headers,
        host: url.host,
        ...(body === undefined ? {} : { "content-length": Buffer.byteLength(body) }),
      },
      agent: false,
      signal: AbortSignal.any([signal, AbortSignal.timeout(LIMIT_MS)]),
    });
    outgoing.on("error", reject);
    outgoing.on("response", (incoming) => {
      const chunks: Buffer[] = [];
      let length = 0;
      incoming.on("error", reject);
      incoming.on("data", (chunk: Buffer) => {
        length += chunk.length;
        if (length > MAX_XML_BYTES) outgoing.destroy(new Error("the gateway answers with more than 64 kB"));
        else chunks.push(chunk);
      });
      incoming.on("end", () => {
        resolve({ status: incoming.statusCode ?? 0, text: Buffer.concat(chunks).toString("utf8") });
      });
    });
    outgoing.end(body);
  });
}
