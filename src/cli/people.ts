import { formatAddress } from "sidewire";
import stringWidth from "string-width";
import { parseAddress } from "./address.js";
import { type Contact, contactNamed, readContacts } from "./contacts.js";
import type { Context } from "./context.js";
import { Failure } from "./failure.js";

/** How people see each other: by a contact's name, else by the address as it is passed on. */
export class People {
  readonly #contacts: readonly Contact[];
  readonly #names: ReadonlyMap<string, string>;

  constructor(contacts: readonly Contact[] = []) {
    this.#contacts = contacts;
    this.#names = new Map(contacts.map(({ name, address }) => [address, name]));
  }

  /** The contacts in the file. What is wrong with it is told, and costs nothing but the names. */
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

  /** The field for JSON, where there is a name. */
  named(address: string): { name?: string } {
    const name = this.nameOf(address);
    return name === undefined ? {} : { name };
  }

  /** The name, or all of the address. */
  full(address: string): string {
    return this.nameOf(address) ?? formatAddress(address);
  }

  /** The name or the address, or so much of it that it leaves room in a line. */
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

  /** Who is meant: a contact's name, or an address. @throws {@link Failure} `INVALID_ADDRESS` */
  addressOf(text: string, where: string): string {
    const contact = contactNamed(this.#contacts, text);
    if (contact !== undefined) return contact.address;
    try {
      return parseAddress(text, where);
    } catch (error) {
      // What is long, or begins like an address, was meant as one.
      if (!(error instanceof Failure) || !/^(?!sw1).{1,32}$/iu.test(text)) throw error;
      const name = JSON.stringify(text);
      throw new Failure(
        error.code,
        `${where}: no contact is called ${name}, and an address is sw1… or 66 hex characters`,
      );
    }
  }
}

/** As long as an address in short. */
const SHORT_COLUMNS = 15;

/** Whom a command speaks with. */
export interface Destination {
  readonly to: string;
  readonly people: People;
}

/** @throws {@link Failure} `INVALID_ADDRESS`; for a name also what is wrong with the file of contacts */
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

/** An address that fits a line. */
export function shortAddress(address: string): string {
  const text = formatAddress(address);
  return `${text.slice(0, 10)}…${text.slice(-4)}`;
}
