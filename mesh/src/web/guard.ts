import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";

/** Why a request is not answered. */
export interface Refusal {
  readonly status: 401 | 403;
  readonly message: string;
}

/**
 * Decides which requests come from the page, and from somebody who knows the token. A browser sends requests of any
 * web page to a loopback address. Such requests have another origin, or another name of the host (DNS rebinding), and
 * never the token.
 */
export class Guard {
  readonly #tokenHash: Buffer;
  readonly #hosts: ReadonlySet<string>;
  readonly #origins: ReadonlySet<string>;

  /** @param port - the port that the server listens at */
  constructor(token: string, port: number) {
    this.#tokenHash = hash(token);
    // A browser leaves out the usual port.
    const suffix = port === 80 ? "" : `:${port}`;
    this.#hosts = new Set(["127.0.0.1", "localhost"].map((name) => `${name}${suffix}`));
    this.#origins = new Set(Array.from(this.#hosts, (host) => `http://${host}`));
  }

  /** Refuses a request by a name that somebody else has given to this machine. */
  refuseName({ host = "" }: IncomingHttpHeaders): Refusal | undefined {
    return this.#hosts.has(host.toLowerCase()) ? undefined : { status: 403, message: "not by this name" };
  }

  /**
   * Refuses a request that a web page other than this one has caused. Without a browser, a request may lack what
   * browsers say of it, unless it changes something.
   */
  refuseForeign(headers: IncomingHttpHeaders, isChange: boolean): Refusal | undefined {
    const { origin } = headers;
    if (origin === undefined ? isChange : !this.#origins.has(origin))
      return { status: 403, message: "not from this origin" };
    const site = headers["sec-fetch-site"];
    return site === undefined || site === "same-origin" || site === "none"
      ? undefined
      : { status: 403, message: "not from this site" };
  }

  /** Refuses a request without the token. The comparison takes the same time for every wrong token. */
  refuseStranger({ authorization = "" }: IncomingHttpHeaders): Refusal | undefined {
    const [, token = ""] = /^Bearer ([\w-]+)$/.exec(authorization) ?? [];
    return timingSafeEqual(hash(token), this.#tokenHash)
      ? undefined
      : { status: 401, message: "the token is missing or wrong" };
  }
}

/** Two hashes have the same length, whatever the texts are. */
function hash(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
