/** What is said to a gateway of UPnP, and what it says: its description, SOAP requests and their answers. */
import { httpUrl } from "./ssdp.js";
import { elementsOf, escaped, parseXml, textOf } from "./xml.js";

/** Something that a gateway does, and where it is asked for it. */
export interface IgdService {
  readonly type: string;
  readonly control: URL;
}

/** More of one gateway are not asked. */
const MAX_SERVICES = 8;

/** The services of a gateway that are of some types, in the order of these. */
export function servicesOf(description: string, at: URL, types: readonly string[]): IgdService[] {
  const root = parseXml(description);
  if (root?.name !== "root") return [];
  // Relative places may count from elsewhere (UPnP Device Architecture 1.0, section 2.1).
  const base = httpUrl(textOf(root, "URLBase") ?? "", at) ?? at;
  return elementsOf(root, "service")
    .flatMap((service) => {
      const type = textOf(service, "serviceType") ?? "";
      const control = httpUrl(textOf(service, "controlURL") ?? "", base);
      return control === undefined || !types.includes(type) ? [] : [{ type, control }];
    })
    .sort((a, b) => types.indexOf(a.type) - types.indexOf(b.type))
    .slice(0, MAX_SERVICES);
}

/** Arguments in the order in which the service names them: some gateways go by it. */
export type IgdArguments = readonly (readonly [name: string, value: string | number])[];

export function encodeAction(type: string, action: string, args: IgdArguments): string {
  const fields = args.map(([name, value]) => `<${name}>${escaped(String(value))}</${name}>`).join("");
  return (
    '<?xml version="1.0"?>\r\n' +
    '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" ' +
    's:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body>' +
    `<u:${action} xmlns:u="${type}">${fields}</u:${action}></s:Body></s:Envelope>\r\n`
  );
}

export type IgdAnswer =
  | { readonly is: "done"; readonly values: ReadonlyMap<string, string> }
  | { readonly is: "error"; readonly code: number };

/** @returns undefined for what is no answer to this action */
export function decodeAnswer(document: string, action: string): IgdAnswer | undefined {
  const root = parseXml(document);
  if (root?.name !== "Envelope") return undefined;
  const [body] = elementsOf(root, "Body");
  const [first] = body?.children ?? [];
  if (first?.name === "Fault") {
    const [error] = elementsOf(first, "UPnPError");
    const code = (error && textOf(error, "errorCode")) ?? "";
    return /^\d{1,5}$/.test(code) ? { is: "error", code: Number(code) } : undefined;
  }
  if (first?.name !== `${action}Response`) return undefined;
  return { is: "done", values: new Map(first.children.map(({ name, text }) => [name, text.trim()])) };
}
