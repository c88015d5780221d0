import type { NewInterface } from "./create.js";
import type { Network } from "./network.js";
import type { Programs } from "./programs.js";
import type { DeviceState } from "./state.js";

/** What a device is opened with. */
export interface DeviceOptions {
  /** Where what we change is written down. */
  readonly stateFolder: string;
  /** Makes the interface, which must not be there; or goes on with the one that an earlier run made. */
  readonly create?: NewInterface | undefined;
  /** Changes nothing: see `Device.planned`. */
  readonly isDryRun?: boolean | undefined;
  /** Runs the programs. Default: those of this network namespace. */
  readonly programs?: Programs | undefined;
  /** Where the lock is. Default: `/run/sidewire-mesh`. */
  readonly lockFolder?: string | undefined;
  /** Ends the opening. */
  readonly signal?: AbortSignal | undefined;
}

/** What a device tells. */
export interface DeviceEvents {
  /**
   * The network may have changed, and is as told now; undefined when it could not be read. What we installed is as it
   * should be by then.
   */
  wake: [network: Network | undefined];
  /** Something that a person should know of, in one sentence. */
  warning: [message: string];
}

/** How a peer is told to use an endpoint. */
export interface UseOptions {
  /**
   * There is no session that could be lost: the peer is made anew, so that its handshake starts at once even when one
   * was started in vain just before.
   */
  readonly isFresh: boolean;
  /** Whether it is still to be done, as the interface is just before. Default: it is. */
  readonly isWanted?: ((state: DeviceState) => boolean) | undefined;
  readonly signal?: AbortSignal | undefined;
}
