// Serves a file as text with an ETag, as sites for pieces of text do, and says what it has answered.
// Usage: list-server.mjs PORT FILE
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";

const [port, file] = process.argv.slice(2);

createServer((request, response) => {
  const text = readFileSync(file, "utf8");
  const tag = `"${createHash("sha256").update(text).digest("hex").slice(0, 16)}"`;
  const isSame = request.headers["if-none-match"] === tag;
  response.writeHead(isSame ? 304 : 200, { ETag: tag, "Content-Type": "text/plain" });
  response.end(isSame ? undefined : text);
  console.log(`answered ${isSame ? 304 : 200}`);
}).listen(Number(port), () => console.log("serving"));
