import { formatAddress } from "sidewire";
import stringWidth from "string-width";
import { parseAddress } from "./address.js";
import { type Contact, contactNamed, readContacts } from "./contacts.js";
import type { Context } from "./context.js";
import { Failure } from "./failure.js";

/** Shows peers to people: by the contact's name, or by the address in bech32m. */
export class People {
  readonly #contacts: readonly Contact[];
  readonly #names: ReadonlyMap<string, string>;

  constructor(contacts: readonly Contact[] = []) {
    this.#contacts = contacts;
    this.#names = new Map(contacts.map(({ name, address }) => [address, name]));
  }

  /** The contacts in the file. A bad file only causes a warning and the loss of the names. */
  static async known({ output, signal }: Context): Promise<People> {
    try {
      return new People(await readContacts(signal));
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      output.warn(error.code, error.message);
      return new People();
    }
  }

  nameOf(address: string): string | undefined {
    return this.#names.get(address);
  }

  /** The field `name` for JSON, if the address has a name. */
  named(address: string): { name?: string } {
    const name = this.nameOf(address);
    return name === undefined ? {} : { name };
  }

  /** The name, or the whole address. */
  full(address: string): string {
    return this.nameOf(address) ?? formatAddress(address);
  }

  /** The name or the address, shortened if it is too long for a line. */
  short(address: string): string {
    const name = this.nameOf(address);
    if (name === undefined) return shortAddress(address);
    if (stringWidth(name) <= SHORT_COLUMNS) return name;
    let start = "";
    for (const { segment } of new Intl.Segmenter().segment(name)) {
      if (stringWidth(start + segment) >= SHORT_COLUMNS) break;
      start += segment;
    }
    return `${start}…`;
  }

  /** The address of a contact's name or of an address. @throws {@link Failure} `INVALID_ADDRESS` */
  addressOf(text: string, where: string): string {
    const contact = contactNamed(this.#contacts, text);
    if (contact !== undefined) return contact.address;
    try {
      return parseAddress(text, where);
    } catch (error) {
      // A long text, or one that begins like an address, was probably meant as an address.
      if (!(error instanceof Failure) || !/^(?!sw1).{1,32}$/iu.test(text)) throw error;
      const name = JSON.stringify(text);
      throw new Failure(
        error.code,
        `${where}: no contact is called ${name}, and an address is sw1… or 66 hex characters`,
      );
    }
  }
}

/** The width of a short address. */
const SHORT_COLUMNS = 15;

/** The peer that a command talks to. */
export interface Destination {
  readonly to: string;
  readonly people: People;
}

/** @throws {@link Failure} `INVALID_ADDRESS`; for a name also the problem with the file of contacts */
export async function destination(context: Context, text: string): Promise<Destination> {
  let to: string;
  try {
    to = parseAddress(text, "DEST");
  } catch {
    const people = new People(await readContacts(context.signal));
    return { to: people.addressOf(text, "DEST"), people };
  }
  return { to, people: await People.known(context) };
}

/** An address in short form. */
export function shortAddress(address: string): string {
  const text = formatAddress(address);
  return `${text.slice(0, 10)}…${text.slice(-4)}`;
}
