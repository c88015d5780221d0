import { Device } from "./device/device.js";
import { DEFAULT_STATE_FOLDER, type MeshOptions } from "./mesh-options.js";
import { checkOptions } from "./option-checks.js";
import { type OnPacket, ProbeSockets } from "./probe/probe-sockets.js";

/** The options that the ground needs, and those that are checked before anything is changed. */
export type GroundOptions = Pick<
  MeshOptions,
  "interface" | "create" | "stateFolder" | "signal" | "stun" | "turn" | "relay" | "lazy"
>;

/**
 * What a mesh stands on: the interface, the sockets of its probes, and the table that lets their packets leave from
 * WireGuard's port. Opening it needs little code, and mostly waits for `wg`, `ip` and `nft`. So the command opens the
 * ground while it loads the rest.
 */
export class Ground implements AsyncDisposable {
  readonly device: Device;
  readonly sockets: ProbeSockets;
  readonly #listener: { onPacket: OnPacket };

  private constructor(device: Device, sockets: ProbeSockets, listener: { onPacket: OnPacket }) {
    this.device = device;
    this.sockets = sockets;
    this.#listener = listener;
  }

  /**
   * Adopts or makes the interface. After an error, nothing is left.
   * @throws {@link MeshError} as `Mesh.open` does
   */
  static async open(options: GroundOptions): Promise<Ground> {
    const { stateFolder = DEFAULT_STATE_FOLDER, create, signal } = options;
    checkOptions(options);
    const device = await Device.open(options.interface, { stateFolder, create, signal });
    const listener: { onPacket: OnPacket } = { onPacket: () => {} };
    let sockets: ProbeSockets | undefined;
    try {
      sockets = await ProbeSockets.open((...packet) => listener.onPacket(...packet));
      await device.installTable(sockets.port, signal);
      return new Ground(device, sockets, listener);
    } catch (error) {
      await sockets?.close();
      await device.close();
      throw error;
    }
  }

  /** From now on, packets that come to the sockets are given to this function. Until then they are dropped. */
  listen(onPacket: OnPacket): void {
    this.#listener.onPacket = onPacket;
  }

  /** Closes the sockets, and puts the interface back. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.sockets.close();
    await this.device.close();
  }
}
