import { MeshError } from "../../src/errors.js";
import type { MeshInfo } from "../../src/info.js";
import type { MembershipReply, MembershipRequest, NetworkInfo } from "../../src/membership/requests.js";
import type { Watched } from "../../src/web/feed.js";
import { someInfo } from "./fake-mesh.js";

/** A daemon that says what a test says. */
export class WatchedDaemon implements Watched {
  readonly interface = "lo";
  network: NetworkInfo | undefined;
  /** How often it was watched anew. */
  watches = 0;
  /** What the next watch ends with at once. */
  failure: Error | undefined;
  #now: MeshInfo = someInfo();
  #isNew = true;
  #isEnding = false;
  #wake = (): void => {};

  /** Says something. */
  say(now: MeshInfo): void {
    this.#now = now;
    this.#isNew = true;
    this.#wake();
  }

  /** Ends as a daemon does that goes down. The next watch begins anew. */
  end(): void {
    this.#isEnding = true;
    this.#wake();
  }

  async *watch(signal?: AbortSignal): AsyncGenerator<MeshInfo> {
    this.watches++;
    if (this.failure !== undefined) throw this.failure;
    const stop = (): void => this.#wake();
    signal?.addEventListener("abort", stop);
    this.#isNew = true;
    this.#isEnding = false;
    for (;;) {
      if (signal?.aborted) throw new MeshError("ABORTED", "aborted");
      if (this.#isEnding) return;
      if (this.#isNew) {
        this.#isNew = false;
        yield this.#now;
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }

  async membership(request: MembershipRequest): Promise<MembershipReply> {
    if (request.do !== "members" || this.network === undefined)
      throw new MeshError("NO_NETWORK", "lo belongs to no network");
    return { did: "members", network: this.network };
  }
}
