import { stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { formatAddress } from "sidewire";
import { makeFolder } from "../node/make-folder.js";
import { parseAddress } from "./address.js";
import { codeOf, Failure, reasonOf } from "./failure.js";
import { withLock } from "./file-lock.js";
import { folders, readBytes, replaceFile } from "./files.js";
import { printable } from "./printable.js";

/** A peer with a name. */
export interface Contact {
  readonly name: string;
  /** The contact's address in hex. */
  readonly address: string;
}

/** A line of the file with a contact. */
interface Entry extends Contact {
  /** The line's index, from 0. */
  readonly line: number;
}

/** The contacts, and the lines of the file. */
interface ContactFile {
  readonly lines: readonly string[];
  readonly entries: readonly Entry[];
}

/** The file of contacts. Each line has a name and an address. A # begins a comment. */
export const contactsPath: string = join(folders.config, "contacts.txt");

/** The maximum size of the file, far more than anybody needs. Reading a line takes 0.1 ms. */
const MAX_BYTES: number = 256 * 1024;

const NAME = /^[\p{L}\p{N}][\p{L}\p{M}\p{N}._-]{0,31}$/u;

/** @throws {@link Failure} `FILE`, `INVALID_CONTACTS` or `INVALID_ADDRESS`, with the line; or the signal's reason */
export async function readContacts(signal: AbortSignal): Promise<readonly Contact[]> {
  return (await readFile(signal)).entries;
}

/** The contact with this name. Capital and small letters do not matter. */
export function contactNamed(contacts: readonly Contact[], name: string): Contact | undefined {
  const key = keyOf(name);
  return contacts.find((contact) => keyOf(contact.name) === key);
}

/**
 * @throws {@link Failure} `CONTACT_EXISTS` when the name or the address belongs to another contact; `USAGE` for a bad
 * name
 */
export async function addContact(contact: Contact, signal: AbortSignal): Promise<Contact> {
  checkName(contact.name, "NAME");
  let kept = contact;
  await change(signal, ({ lines, entries }) => {
    const same = sameAs(contact, entries);
    if (same !== undefined) {
      kept = same;
      return lines;
    }
    const last = lines.at(-1);
    return [...(last === "" ? lines.slice(0, -1) : lines), lineOf(contact), ""];
  });
  return kept;
}

/** @throws {@link Failure} `NO_CONTACT` */
export async function removeContact(name: string, signal: AbortSignal): Promise<Contact> {
  let removed: Entry | undefined;
  await change(signal, ({ lines, entries }) => {
    const entry = existing(entries, name);
    removed = entry;
    return lines.filter((_, i) => i !== entry.line);
  });
  return removed ?? noContact(name);
}

/** @throws {@link Failure} `NO_CONTACT`, `CONTACT_EXISTS`, `USAGE` */
export async function renameContact(from: string, to: string, signal: AbortSignal): Promise<Contact> {
  checkName(to, "NEW");
  let renamed: Contact | undefined;
  await change(signal, ({ lines, entries }) => {
    const entry = existing(entries, from);
    const others = entries.filter((other) => other !== entry);
    renamed = { name: to, address: entry.address };
    sameAs(renamed, others);
    // Only the name changes; the rest of the line stays, such as a comment.
    return lines.map((line, i) => (i === entry.line ? line.replace(/\S+/, () => to) : line));
  });
  return renamed ?? noContact(from);
}

function existing(entries: readonly Entry[], name: string): Entry {
  return entries.find((entry) => keyOf(entry.name) === keyOf(name)) ?? noContact(name);
}

function noContact(name: string): never {
  throw new Failure("NO_CONTACT", `no contact is called ${JSON.stringify(name.slice(0, 40))}`);
}

/**
 * The entry that equals the contact, if there is one. An entry with the same name or the same address only is an error.
 */
function sameAs({ name, address }: Contact, entries: readonly Contact[]): Contact | undefined {
  const same = contactNamed(entries, name);
  if (same?.address === address) return same;
  if (same !== undefined)
    throw new Failure(
      "CONTACT_EXISTS",
      `${same.name} is ${formatAddress(same.address)}: remove or rename it first`,
    );
  const other = entries.find((entry) => entry.address === address);
  if (other !== undefined)
    throw new Failure("CONTACT_EXISTS", `that address is ${other.name}: rename it instead`);
  return undefined;
}

function lineOf({ name, address }: Contact): string {
  return `${name} ${formatAddress(address)}`;
}

/** Changes the file under a lock, so that two processes never change it at the same time. */
async function change(signal: AbortSignal, edit: (file: ContactFile) => readonly string[]): Promise<void> {
  try {
    await makeFolder(dirname(contactsPath), 0o700);
  } catch (error) {
    throw new Failure("FILE", `cannot write ${contactsPath}: ${reasonOf(error)}`, 1);
  }
  await withLock(contactsPath, signal, async () => {
    const file = await readFile(signal);
    const lines = edit(file);
    if (lines === file.lines) return;
    const text = lines.join("\n");
    if (Buffer.byteLength(text) > MAX_BYTES) throw tooLong();
    const exists = (await sizeOf(contactsPath)) !== undefined;
    // A new file is readable only by its owner: it shows which peers the owner knows. An existing file keeps its mode.
    await replaceFile(contactsPath, text, exists ? undefined : 0o600);
  });
}

async function readFile(signal: AbortSignal): Promise<ContactFile> {
  const size = await sizeOf(contactsPath);
  if (size === undefined) return { lines: [], entries: [] };
  if (size > MAX_BYTES) throw tooLong();
  const lines = textOf(await readBytes(contactsPath, signal)).split("\n");
  const entries: Entry[] = [];
  for (const [line, text] of lines.entries()) {
    const entry = entryOf(text, line);
    if (entry === undefined) continue;
    const twin = entries.find(
      (other) => keyOf(other.name) === keyOf(entry.name) || other.address === entry.address,
    );
    if (twin !== undefined)
      throw invalid(line, `${twin.name} in line ${twin.line + 1} has the same name or address`);
    entries.push(entry);
  }
  return { lines, entries };
}

function entryOf(text: string, line: number): Entry | undefined {
  const [name, address, ...more] = text.replace(/#.*/s, "").trim().split(/\s+/);
  if (name === undefined || name === "") return undefined;
  if (address === undefined || more.length > 0) throw invalid(line, "expected a name and an address");
  const problem = problemOfName(name);
  if (problem !== undefined) throw invalid(line, problem);
  return { name, address: parseAddress(address, `${contactsPath}:${line + 1}`), line };
}

/** @throws {@link Failure} `USAGE` */
function checkName(name: string, where: string): void {
  const problem = problemOfName(name);
  if (problem !== undefined) throw new Failure("USAGE", `${where}: ${problem}`);
}

function problemOfName(name: string): string | undefined {
  if (!NAME.test(name) || printable(name) !== name)
    return "a name has up to 32 letters, digits, dots, hyphens and underscores, and begins with a letter or digit";
  // Otherwise a user could not tell whether a text is a name or an address.
  return /^(sw1|[0-9a-f]{32}$)/i.test(name) ? "a name must not look like an address" : undefined;
}

function keyOf(name: string): string {
  return name.normalize("NFKC").toLowerCase();
}

function textOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    // Text that is not UTF-8 would be damaged when the file is written again.
    throw new Failure("INVALID_CONTACTS", `${contactsPath}: not text in UTF-8`);
  }
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    const stats = await stat(path);
    if (stats.isFile()) return stats.size;
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw new Failure("FILE", `cannot read ${path}: ${reasonOf(error)}`);
  }
  throw new Failure("FILE", `cannot read ${path}: it is not a file`);
}

function invalid(line: number, problem: string): Failure {
  return new Failure("INVALID_CONTACTS", `${contactsPath}:${line + 1}: ${problem}`);
}

function tooLong(): Failure {
  return new Failure("INVALID_CONTACTS", `${contactsPath}: longer than ${MAX_BYTES} bytes`);
}
