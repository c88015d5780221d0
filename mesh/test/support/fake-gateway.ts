import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { GatewayPorts } from "../../src/port-mapping/finder.js";
import { decodeNatPmp } from "../../src/port-mapping/nat-pmp.js";
import { escaped } from "../../src/port-mapping/xml.js";

/** How a gateway behaves. Whatever is left out it does not do. */
export interface Behaviour {
  /** The address outside, as it says. */
  readonly address?: string;
  readonly pcp?: {
    readonly result?: number;
    readonly lifetimeS?: number;
    readonly port?: number;
    /** It does not answer who wants a mapping removed. */
    readonly keeps?: boolean;
  };
  readonly natPmp?: { readonly result?: number; readonly lifetimeS?: number };
  readonly upnp?: {
    /** Errors of AddPortMapping, in their order: 0 for none, which is also what comes after the last. */
    readonly errors?: readonly number[];
    /** The whole text of the description, instead of the usual one. */
    readonly description?: string;
    /** The host that the answer to a search names. */
    readonly host?: string;
    /** Where HTTP requests are sent on to. */
    readonly redirect?: string;
    /** It takes connections and says nothing. */
    readonly isSilent?: boolean;
  };
  /** Before it answers, somebody at 127.0.0.2 does. */
  readonly stranger?: Uint8Array;
}

/** A request for a mapping, by whichever protocol. A lease of 0 removes it, but for UPnP, where it is for ever. */
export interface Asked {
  readonly protocol: "pcp" | "nat-pmp" | "upnp-igd";
  readonly action: "map" | "unmap";
  readonly internalPort: number;
  readonly externalPort: number;
  readonly leaseS: number;
  readonly nonce: string;
}

const SERVICE = "urn:schemas-upnp-org:service:WANIPConnection:1";

/** A gateway on 127.0.0.1, with ports of its own. */
export class FakeGateway implements AsyncDisposable {
  readonly asked: Asked[] = [];
  /** UPnP mappings, by the port outside. */
  readonly entries: Map<number, { client: string; port: number; leaseS: number }> = new Map();
  /** UPnP pinholes, by the port. */
  readonly pinholes: Map<number, { client: string; protocol: string; leaseS: number }> = new Map();
  /** The hosts that HTTP requests named. */
  readonly hosts: string[] = [];
  /** Called with each request before it is answered. */
  onAsked: (asked: Asked) => void = () => {};
  behaviour: Behaviour;
  /** Seconds since it has its mappings, as it says. */
  epochS = 1000;
  #newsPort = 0;
  readonly #control: Socket;
  readonly #search: Socket;
  readonly #stranger: Socket;
  readonly #http: Server;
  #errors = 0;

  private constructor(behaviour: Behaviour) {
    this.behaviour = behaviour;
    [this.#control, this.#search, this.#stranger] = [
      createSocket("udp4"),
      createSocket("udp4"),
      createSocket("udp4"),
    ];
    this.#http = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        this.hosts.push(String(request.headers.host));
        const { upnp } = this.behaviour;
        if (upnp?.isSilent) return;
        if (upnp?.redirect !== undefined) {
          response.writeHead(302, { location: upnp.redirect }).end();
          return;
        }
        const { status, text } =
          request.method === "GET"
            ? { status: 200, text: upnp?.description ?? description() }
            : this.#act(Buffer.concat(chunks).toString());
        response.writeHead(status).end(text);
      });
    });
    this.#control.on("message", (bytes, { address, port }) => {
      if (this.behaviour.stranger !== undefined)
        this.#stranger.send(this.behaviour.stranger, port, "127.0.0.1");
      for (const answer of bytes[0] === 2 ? this.#pcp(bytes) : this.#natPmp(bytes))
        this.#control.send(answer, port, address);
    });
    this.#search.on("message", (_, { port }) => {
      const { upnp } = this.behaviour;
      if (upnp === undefined) return;
      const answer = [
        "HTTP/1.1 200 OK",
        "ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1",
        `LOCATION: http://${upnp.host ?? "127.0.0.1"}:${this.httpPort}/root.xml`,
        "",
        "",
      ].join("\r\n");
      this.#search.send(answer, port, "127.0.0.1");
    });
  }

  static async start(behaviour: Behaviour): Promise<FakeGateway> {
    const gateway = new FakeGateway(behaviour);
    const bound = [gateway.#control, gateway.#search].map((socket) => socket.bind(0, "127.0.0.1"));
    const all = [...bound, gateway.#stranger.bind(0, "127.0.0.2"), gateway.#http.listen(0, "127.0.0.1")];
    await Promise.all(all.map(async (one) => await once(one, "listening")));
    const probe = createSocket("udp4").bind(0, "127.0.0.1");
    await once(probe, "listening");
    gateway.#newsPort = probe.address().port;
    await new Promise<void>((done) => probe.close(done));
    return gateway;
  }

  get httpPort(): number {
    return (this.#http.address() as AddressInfo).port;
  }

  get ports(): Required<GatewayPorts> {
    return {
      news: { host: "127.0.0.1", port: this.#newsPort, from: this.#control.address().port },
      control: this.#control.address().port,
      search: { host: "127.0.0.1", port: this.#search.address().port },
    };
  }

  /** Says to all that it is there, as after a restart, by either protocol; or a stranger does in its place. */
  async announce(protocol: "pcp" | "nat-pmp", by: "itself" | "a stranger" = "itself"): Promise<void> {
    const news =
      protocol === "pcp"
        ? Buffer.from([2, 0x80, 0, 0, 0, 0, 0, 0, ...this.#epoch(), ...new Array<number>(12).fill(0)])
        : Buffer.from([0, 0x80, 0, 0, ...this.#epoch(), ...this.#outside()]);
    const socket = by === "itself" ? this.#control : this.#stranger;
    await new Promise<void>((done) => socket.send(news, this.#newsPort, "127.0.0.1", () => done()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of [this.#control, this.#search, this.#stranger]) socket.close();
    this.#http.closeAllConnections();
    await new Promise((done) => this.#http.close(done));
  }

  #tell(asked: Asked): void {
    this.asked.push(asked);
    this.onAsked(asked);
  }

  #epoch(): Buffer {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(this.epochS);
    return bytes;
  }

  #outside(): number[] {
    return (this.behaviour.address ?? "198.51.100.7").split(".").map(Number);
  }

  #pcp(bytes: Buffer): Buffer[] {
    const { pcp, natPmp } = this.behaviour;
    // Who knows NAT-PMP alone answers in its version that it does not know this one.
    if (pcp === undefined) return natPmp === undefined ? [] : [Buffer.from([0, 0x80, 0, 1, 0, 0, 0, 0])];
    const answer = Buffer.from(bytes);
    answer[1] = (bytes[1] ?? 0) | 0x80;
    answer.fill(0, 2, 24);
    answer.set(this.#epoch(), 8);
    if (bytes[1] === 0) return [answer];
    const leaseS = bytes.readUInt32BE(4);
    const nonce = bytes.subarray(24, 36).toString("hex");
    const [internalPort, externalPort] = [bytes.readUInt16BE(40), bytes.readUInt16BE(42)];
    const action = leaseS === 0 ? "unmap" : "map";
    this.#tell({ protocol: "pcp", action, internalPort, externalPort, leaseS, nonce });
    if (leaseS === 0 && pcp.keeps) return [];
    answer[3] = pcp.result ?? 0;
    answer.writeUInt32BE(leaseS === 0 ? 0 : (pcp.lifetimeS ?? leaseS), 4);
    answer.writeUInt16BE(pcp.port ?? externalPort, 42);
    answer.set([...new Array<number>(10).fill(0), 0xff, 0xff, ...this.#outside()], 44);
    return [answer];
  }

  #natPmp(bytes: Buffer): Buffer[] {
    const { natPmp } = this.behaviour;
    if (natPmp === undefined) return [];
    if (bytes[1] === 0) return [Buffer.from([0, 0x80, 0, 0, ...this.#epoch(), ...this.#outside()])];
    const [internalPort, externalPort] = [bytes.readUInt16BE(4), bytes.readUInt16BE(6)];
    const leaseS = bytes.readUInt32BE(8);
    this.#tell({
      ...{ protocol: "nat-pmp", action: leaseS === 0 ? "unmap" : "map" },
      ...{ internalPort, externalPort, leaseS, nonce: "" },
    });
    const answer = Buffer.alloc(16);
    answer[1] = 0x81;
    answer.writeUInt16BE(natPmp.result ?? 0, 2);
    answer.set(this.#epoch(), 4);
    answer.writeUInt16BE(internalPort, 8);
    answer.writeUInt16BE(externalPort, 10);
    answer.writeUInt32BE(leaseS === 0 ? 0 : (natPmp.lifetimeS ?? leaseS), 12);
    if (decodeNatPmp(answer) === undefined) throw new Error("the test's own answer is none");
    return [answer];
  }

  #act(body: string): { status: number; text: string } {
    const action = /<u:(\w+) /.exec(body)?.[1] ?? "";
    const field = (name: string): string => new RegExp(`<${name}>([^<]*)</${name}>`).exec(body)?.[1] ?? "";
    const externalPort = Number(field("NewExternalPort"));
    const entry = this.entries.get(externalPort);
    switch (action) {
      case "GetExternalIPAddress":
        return done(action, { NewExternalIPAddress: this.#outside().join(".") });
      case "GetSpecificPortMappingEntry":
        if (entry === undefined) return failed(714);
        return done(action, {
          NewInternalPort: `${entry.port}`,
          NewInternalClient: entry.client,
          NewLeaseDuration: `${entry.leaseS}`,
        });
      case "AddPortMapping": {
        const port = Number(field("NewInternalPort"));
        const leaseS = Number(field("NewLeaseDuration"));
        this.#tell({
          ...{ protocol: "upnp-igd", action: "map", internalPort: port, externalPort, leaseS, nonce: "" },
        });
        const code = this.behaviour.upnp?.errors?.[this.#errors++] ?? 0;
        if (code !== 0) return failed(code);
        this.entries.set(externalPort, { client: field("NewInternalClient"), port, leaseS });
        return done(action, {});
      }
      case "DeletePortMapping":
        if (entry === undefined) return failed(714);
        this.#tell({
          ...{
            protocol: "upnp-igd",
            action: "unmap",
            internalPort: entry.port,
            externalPort,
            leaseS: 0,
            nonce: "",
          },
        });
        this.entries.delete(externalPort);
        return done(action, {});
      case "AddPinhole": {
        const code = this.behaviour.upnp?.errors?.[this.#errors++] ?? 0;
        if (code !== 0) return failed(code);
        const [port, leaseS] = [Number(field("InternalPort")), Number(field("LeaseTime"))];
        this.pinholes.set(port, { client: field("InternalClient"), protocol: field("Protocol"), leaseS });
        return done(action, { UniqueID: `${port % 1000}` });
      }
      case "UpdatePinhole":
      case "DeletePinhole": {
        const port = [...this.pinholes.keys()].find((one) => `${one % 1000}` === field("UniqueID"));
        const pinhole = port === undefined ? undefined : this.pinholes.get(port);
        if (port === undefined || pinhole === undefined) return failed(704);
        if (action === "DeletePinhole") this.pinholes.delete(port);
        else this.pinholes.set(port, { ...pinhole, leaseS: Number(field("NewLeaseTime")) });
        return done(action, {});
      }
      default:
        return failed(401);
    }
  }
}

/** A description with one service, in devices within devices, as gateways have it. */
export function description(service: string = SERVICE): string {
  const inner = `<serviceList><service><serviceType>${service}</serviceType><controlURL>/ctl</controlURL></service></serviceList>`;
  const deep = ["WANConnectionDevice", "WANDevice", "InternetGatewayDevice"].reduce(
    (all, name) =>
      name === "InternetGatewayDevice"
        ? `<device><deviceType>urn:schemas-upnp-org:device:${name}:1</deviceType>${all}</device>`
        : `<deviceList><device><deviceType>urn:schemas-upnp-org:device:${name}:1</deviceType>${all}</device></deviceList>`,
    inner,
  );
  return `<?xml version="1.0"?><root xmlns="urn:schemas-upnp-org:device-1-0">${deep}</root>`;
}

function envelope(inner: string): string {
  return `<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>${inner}</s:Body></s:Envelope>`;
}

function done(action: string, values: Record<string, string>): { status: number; text: string } {
  const fields = Object.entries(values).map(([name, value]) => `<${name}>${escaped(value)}</${name}>`);
  const text = envelope(`<u:${action}Response xmlns:u="${SERVICE}">${fields.join("")}</u:${action}Response>`);
  return { status: 200, text };
}

function failed(code: number): { status: number; text: string } {
  const detail = `<detail><UPnPError><errorCode>${code}</errorCode></UPnPError></detail>`;
  return { status: 500, text: envelope(`<s:Fault><faultstring>UPnPError</faultstring>${detail}</s:Fault>`) };
}
