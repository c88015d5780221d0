import type { NewInterface } from "./create.js";
import type { Network } from "./network.js";
import type { Programs } from "./programs.js";
import type { DeviceState } from "./state.js";

/** The options of a device. */
export interface DeviceOptions {
  /** The folder of the file in which changes are recorded. */
  readonly stateFolder: string;
  /** Makes the interface, which must not exist, or continues with one that an earlier run made. */
  readonly create?: NewInterface | undefined;
  /** Changes nothing; see `Device.planned`. */
  readonly isDryRun?: boolean | undefined;
  /** Runs the programs. Default: in this network namespace. */
  readonly programs?: Programs | undefined;
  /** The folder of the lock. Default: `/run/sidewire-mesh`. */
  readonly lockFolder?: string | undefined;
  /** Ends the opening. */
  readonly signal?: AbortSignal | undefined;
}

/** The events of a device. */
export interface DeviceEvents {
  /**
   * The network may have changed. The argument is its current state, or undefined when it could not be read. Own
   * changes that disappeared were restored before this event.
   */
  wake: [network: Network | undefined];
  /** A message for a person, in one sentence. */
  warning: [message: string];
}

/** How a peer is switched to an endpoint. */
export interface UseOptions {
  /**
   * Whether there is no session that could be lost. Then the peer is made again, so that its handshake starts at once,
   * even if another one was started in vain just before.
   */
  readonly isFresh: boolean;
  /** Decides from the state just before the change whether it is still wanted. Default: it is. */
  readonly isWanted?: ((state: DeviceState) => boolean) | undefined;
  readonly signal?: AbortSignal | undefined;
}
