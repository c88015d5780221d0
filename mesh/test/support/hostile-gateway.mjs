// A gateway that lies, or a neighbour on the LAN who answers in its place. Argument: JSON of
//   address  where it listens, and the interface that searches of UPnP come in by
//   port     of its HTTP; default: any
//   outside  the address that it says it has outside, by PCP
//   named    `host:port` that the answer to a search names; default: its own
//   http     what requests by HTTP get: "redirect" to `named`, "endless" XML, "deep" XML, XML with "entities"
//   isImpostor  who searches is told at once, at the port that it searches from, what the gateway would say
// Writes `ready PORT`, and a line for each thing that it is asked.
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:http";

const { address, port = 0, outside, named, http, isImpostor = false } = JSON.parse(process.argv[2]);

const SSDP = { host: "239.255.255.250", port: 1900 };
const PORT = 5351;
const DEVICE = "urn:schemas-upnp-org:device:InternetGatewayDevice:1";

const server = createServer((request, response) => {
  console.log(`http ${request.method} ${request.headers.host} from ${request.socket.remoteAddress}`);
  response.on("error", () => {});
  switch (http) {
    case "redirect":
      return response.writeHead(302, { location: `http://${named}/root.xml` }).end();
    case "endless": {
      response.write("<root>");
      const filler = Buffer.alloc(1 << 16, "<a>b</a>");
      const fill = () => {
        while (!response.destroyed && response.write(filler));
      };
      response.on("drain", fill);
      return fill();
    }
    case "deep":
      return response.end("<a>".repeat(20_000));
    case "entities": {
      const entities = Array.from({ length: 9 }, (_, i) => `<!ENTITY e${i + 1} "${`&e${i};`.repeat(10)}">`);
      return response.end(`<!DOCTYPE root [<!ENTITY e0 "lol">${entities.join("")}]><root>&e9;</root>`);
    }
    default:
      return response.writeHead(404).end();
  }
});
server.listen(port, address);
await once(server, "listening");
const { port: httpPort } = server.address();

const control = createSocket("udp4");
control.on("error", () => {});
control.on("message", (bytes, from) => {
  if (outside === undefined || bytes[0] !== 2) return;
  console.log(`pcp ${bytes[1]} from ${from.address}`);
  control.send(pcpAnswer(bytes), from.port, from.address);
});
if (!isImpostor) control.bind(PORT, address);

const search = createSocket({ type: "udp4", reuseAddr: true });
search.on("message", (bytes, from) => {
  if (!bytes.toString("latin1").startsWith("M-SEARCH")) return;
  console.log(`searched by ${from.address}`);
  const place = named ?? `${address}:${httpPort}`;
  const answer = `HTTP/1.1 200 OK\r\nST: ${DEVICE}\r\nLOCATION: http://${place}/root.xml\r\n\r\n`;
  search.send(answer, from.port, from.address);
  if (!isImpostor) return;
  // Its own address outside by NAT-PMP, and that it knows PCP.
  control.send(Buffer.from([0, 0x80, 0, 0, 0, 0, 0, 9, 6, 6, 6, 6]), from.port, from.address);
  control.send(
    Buffer.from([2, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, ...Array(12).fill(0)]),
    from.port,
    from.address,
  );
});
search.bind(SSDP.port);
await once(search, "listening");
search.addMembership(SSDP.host, address);
console.log(`ready ${httpPort}`);

/** What was asked, granted, with a port of an address outside. */
function pcpAnswer(bytes) {
  const answer = Buffer.from(bytes);
  answer[1] |= 0x80;
  answer.fill(0, 2, 4);
  answer.fill(0, 8, 24);
  answer.writeUInt32BE(9, 8);
  if (bytes.length >= 60) answer.set([...Array(10).fill(0), 255, 255, ...outside.split(".").map(Number)], 44);
  return answer;
}
