import { formatAddress } from "sidewire";
import { parseAddress } from "./address.js";
import {
  addContact,
  type Contact,
  contactsPath,
  readContacts,
  removeContact,
  renameContact,
} from "./contacts.js";
import type { Context } from "./context.js";
import type { ExitCode } from "./failure.js";

/** Adds a contact: a name for an address. */
export async function add(context: Context, name: string, text: string): Promise<ExitCode> {
  const address = parseAddress(text, "ADDRESS");
  const contact = await addContact({ name, address }, context.signal);
  return await told(context, contact, `${contact.name} is ${formatAddress(contact.address)}`);
}

/** Shows all contacts. */
export async function list({ output, signal }: Context, { names }: { names?: true }): Promise<ExitCode> {
  const contacts = await readContacts(signal);
  if (output.json) {
    for (const contact of contacts) await output.result(objectOf(contact), () => "");
  } else if (names) {
    for (const { name } of contacts) await output.line(name);
  } else if (contacts.length === 0) {
    output.note("There are no contacts yet: sidewire contact add NAME ADDRESS");
  } else if (output.isTerminal) {
    const rows = contacts.map(({ name, address }) => [name, formatAddress(address)]);
    await output.line(output.table(["name", "address"], rows));
    output.note(output.paintNotes.dim(`They are in ${contactsPath}`));
  } else {
    for (const { name, address } of contacts) await output.line(`${name}\t${formatAddress(address)}`);
  }
  return 0;
}

/** Removes a contact. */
export async function remove(context: Context, name: string): Promise<ExitCode> {
  const contact = await removeContact(name, context.signal);
  return await told(context, contact, `${contact.name} was ${formatAddress(contact.address)}`);
}

/** Changes a contact's name. */
export async function rename(context: Context, from: string, to: string): Promise<ExitCode> {
  const contact = await renameContact(from, to, context.signal);
  return await told(context, contact, `${to} is ${formatAddress(contact.address)}`);
}

async function told({ output }: Context, contact: Contact, text: string): Promise<ExitCode> {
  await output.result(objectOf(contact), () => `${output.paint.green("✓")} ${text}`);
  return 0;
}

function objectOf({ name, address }: Contact): object {
  return { name, sw1: formatAddress(address), address };
}
