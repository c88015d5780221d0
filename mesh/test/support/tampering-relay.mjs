// Makes a relay hostile: loaded before the daemon, it has WireGuard's packets that the relay passes on changed, repeated and
// swapped, once the process gets SIGUSR2. `?all` changes each of them, `?some` does each of these to one in six.
import { Socket } from "node:dgram";

const doesAll = new URL(import.meta.url).search === "?all";
/** How many packets later an old one comes again: WireGuard remembers the numbers of some thousands. */
const REPEATED_LATER = 40;

const passOn = Socket.prototype.send;
const counts = { passed: 0, changed: 0, repeated: 0, swapped: 0 };
const old = [];
let isHostile = false;
let held;
let seen = 0;

process.on("SIGUSR2", () => {
  isHostile = true;
  setInterval(() => process.stderr.write(`tampered ${JSON.stringify(counts)}\n`), 500).unref();
});

Socket.prototype.send = function (bytes, port, address, ...rest) {
  if (!isHostile || !isWireguards(bytes)) return passOn.call(this, bytes, port, address, ...rest);
  const send = (data) => passOn.call(this, data, port, address, ...rest);
  const turn = doesAll ? 0 : seen % 6;
  seen++;
  if (turn === 0) {
    counts.changed++;
    // In each byte in turn, and never in the first four: such a packet is WireGuard's still.
    const changed = Buffer.from(bytes);
    changed[4 + (seen % (bytes.length - 4))] ^= 1 << (seen % 8);
    return send(changed);
  }
  if (turn === 1) {
    counts.repeated++;
    send(Buffer.from(bytes));
    old.push({ bytes: Buffer.from(bytes), send, at: seen });
    while (old.length > 0 && old[0].at + REPEATED_LATER <= seen) {
      const { bytes: before, send: again } = old.shift();
      counts.repeated++;
      again(before);
    }
    return send(bytes);
  }
  if (turn === 2) {
    held?.();
    const late = Buffer.from(bytes);
    held = () => send(late);
    return;
  }
  counts.passed++;
  send(bytes);
  if (held === undefined) return;
  counts.swapped++;
  held();
  held = undefined;
};

/** One of WireGuard's four kinds of messages: a number from 1 to 4, and three zeros. */
function isWireguards(bytes) {
  return bytes.length >= 32 && bytes[0] >= 1 && bytes[0] <= 4 && bytes.readUIntBE(1, 3) === 0;
}
