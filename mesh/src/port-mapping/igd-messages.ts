/** The messages of UPnP gateways: the description, and SOAP requests with their answers. */
import { httpUrl } from "./ssdp.js";
import { elementsOf, escaped, parseXml, textOf } from "./xml.js";

/** A service of a gateway, and the URL for its actions. */
export interface IgdService {
  readonly type: string;
  readonly control: URL;
}

/** The maximum number of services of one gateway that are used. */
const MAX_SERVICES = 8;

/** The services of a gateway with one of these types, in the order of the types. */
export function servicesOf(description: string, at: URL, types: readonly string[]): IgdService[] {
  const root = parseXml(description);
  if (root?.name !== "root") return [];
  // Relative URLs may have another base (UPnP Device Architecture 1.0, section 2.1).
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

/** Arguments in the order of the service's description. Some gateways depend on this order. */
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

/** @returns undefined for a document that does not answer this action */
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
