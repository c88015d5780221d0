import { isNetworkNamed, type NamedNetwork } from "./host-names.js";
import { withBlock, withoutBlock } from "./hosts-block.js";
import { editHostsFile } from "./hosts-file.js";
import { NameServer } from "./name-server.js";

/** Where the names of hosts are looked up before DNS is asked. */
export const HOSTS_FILE = "/etc/hosts";

/** What names are kept with. */
export interface NamesMeans {
  /** The name of the interface. */
  readonly interface: string;
  /** Whether names stand in the hosts file. Else only what an earlier run has left there is taken out. */
  readonly isOn: boolean;
  /** Whether names are also answered by DNS, at the own addresses in the tunnel. Default: no. */
  readonly isServed?: boolean;
  readonly onWarning: (message: string) => void;
  /** Default: {@link HOSTS_FILE}. */
  readonly path?: string;
  /** For tests. */
  readonly lockFolder?: string;
}

/**
 * Keeps the names of a network's members in the hosts file, until it is closed, and answers DNS for them where that is
 * wanted. Whatever fails is a warning alone.
 */
export class Names {
  readonly #means: NamesMeans;
  readonly #path: string;
  #wanted: NamedNetwork | undefined;
  #isStale = false;
  #writing: Promise<void> | undefined;
  #trouble: string | undefined;
  #undone: string | undefined;
  #isClosed = false;
  readonly #server: NameServer | undefined;
  #served: readonly string[] = [];

  constructor(means: NamesMeans) {
    this.#means = means;
    this.#server = means.isServed ? new NameServer() : undefined;
    this.#path = means.path ?? HOSTS_FILE;
  }

  /** Why members have no names, a sentence each; none when they have, or are to have none. */
  get troubles(): readonly string[] {
    return [...(this.#trouble === undefined ? [] : [this.#trouble]), ...this.#served];
  }

  /** What {@link close} has put back, a few words each. */
  get undone(): readonly string[] {
    return this.#undone === undefined ? [] : [this.#undone];
  }

  /** Which names are to be there from now on. They are written soon after. */
  set(network: NamedNetwork | undefined): void {
    if (this.#isClosed) return;
    this.#server?.set(network);
    this.#wanted = this.#means.isOn ? network : undefined;
    this.#write();
  }

  /** The own addresses in the tunnel are these now. */
  async serveAt(addresses: readonly string[]): Promise<void> {
    if (this.#server === undefined) return;
    await this.#server.listen(addresses);
    const before = this.#served;
    this.#served = this.#server.troubles;
    for (const trouble of this.#served) if (!before.includes(trouble)) this.#means.onWarning(trouble);
  }

  /** Takes the names out. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#wanted = undefined;
    this.#write();
    await Promise.all([this.#writing, this.#server?.close()]);
  }

  #write(): void {
    this.#isStale = true;
    this.#writing ??= this.#writeWhileStale().finally(() => {
      this.#writing = undefined;
    });
  }

  async #writeWhileStale(): Promise<void> {
    while (this.#isStale) {
      this.#isStale = false;
      const isLast = this.#isClosed;
      const isChanged = await this.#edit();
      if (isChanged && isLast) this.#undone = `the names of members are removed from ${this.#path}`;
    }
  }

  async #edit(): Promise<boolean> {
    const { interface: name, lockFolder } = this.#means;
    const network = this.#wanted;
    // Known only once the file has been read: without a block in it there is nothing to take out.
    let isNeeded = network !== undefined;
    const change = (text: string): string => {
      const next = network === undefined ? withoutBlock(text, name) : withBlock(text, name, network);
      isNeeded ||= next !== text;
      return next;
    };
    try {
      const isChanged = await editHostsFile(this.#path, change, lockFolder);
      this.#tell(
        network === undefined || isNetworkNamed(network.network)
          ? undefined
          : `members of a network called ${network.network} get no names in ${this.#path}: names below ${network.network}.internal belong to others`,
      );
      return isChanged;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      const what =
        network === undefined
          ? `names that are not true any more could not be taken out of ${this.#path}`
          : `members have no names here, only addresses, since ${this.#path} cannot be changed`;
      this.#tell(isNeeded ? `${what} (${why})` : undefined);
      return false;
    }
  }

  /** A warning is told once, and shown until it is over. */
  #tell(trouble: string | undefined): void {
    if (trouble !== undefined && trouble !== this.#trouble) this.#means.onWarning(trouble);
    this.#trouble = trouble;
  }
}
