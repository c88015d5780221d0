"""A peer of the sidewire protocol, for tests of another one against it.

It is driven by JSON lines on stdin and tells what happens by JSON lines on stdout; it ends with its
stdin. Binary data is hexadecimal, a broker is "host:port". What it reads:

    {"do": "listen", "brokers": [{"host": "127.0.0.1", "port": 1883}, ...]}
    {"do": "send", "id": 1, "to": "02...", "data": "68690a", "queue": "fresh" | "counted", "qos": 0 | 1,
     "by": ["127.0.0.1:1883"], "lose": 0}    by: default all; lose: how many of its ACKs to overlook
    {"do": "probe", "id": 2, "to": "02...", "qos": 0 | 1, "by": [...]}
    {"do": "mute", "answers": 1}    leave the next packets without an ACK, as if it were lost

What it writes:

    {"event": "ready", "address"}, {"event": "listening"}, {"event": "muted"}
    {"event": "sent", "id", "queueId", "sequence", "signatures"}    a signature for each broker
    {"event": "acknowledged", "id", "broker"}                       for each ACK that came
    {"event": "unacknowledged", "id"}                               given up
    {"event": "message", "from", "queueId", "sequence", "timestamp", "data", "text", "broker"}
                                                                    shown once; text: what UTF-8 makes of the data
    {"event": "answered", "type", "queueId", "sequence", "broker"}  for each ACK that was published
    {"event": "dropped", "reason"}, {"event": "failed", "error"}

It acknowledges as the original does: ACKs leave together, on the next tick of a loop of 0.5 s. A message of a
queue counts as proof that the ACKs of those before it have arrived, so that the ones among them that have not left
yet never do. It reads text as the original does: bytes that are not UTF-8 vanish.
"""

import collections
import hashlib
import heapq
import json
import os
import queue
import secrets
import struct
import sys
import threading
import time
import traceback

import ecdsa
import paho.mqtt.client as mqtt

MSG, ACK, PROBE = 1, 2, 3
HEADER = struct.Struct(">33s64s32sIQB")
SIGNED_FROM = 33 + 64
KEEP_ALIVE_S = 10
RETRANSMIT_S = 60
FIRST_PAUSE_S = 1
MAX_AGE_S = 2 * RETRANSMIT_S
TICK_S = 0.5

Packet = collections.namedtuple("Packet", "source queue_id sequence timestamp type message")


class Dropped(Exception):
    """A packet that is not taken."""


class Keys:
    def __init__(self):
        self.secret = ecdsa.SigningKey.generate(ecdsa.SECP256k1)
        self.public = self.secret.verifying_key.to_string("compressed")

    def pack(self, queue_id, sequence, timestamp, kind, message):
        """Signs with a random nonce, so that the same fields never give the same bytes twice."""
        unsigned = HEADER.pack(self.public, b"", queue_id, sequence, timestamp, kind) + message
        signature = self.secret.sign(unsigned[SIGNED_FROM:], hashfunc=hashlib.sha1)
        return self.public + signature + unsigned[SIGNED_FROM:]


def unpack(payload):
    if len(payload) < HEADER.size:
        raise Dropped("short")
    source, signature, queue_id, sequence, timestamp, kind = HEADER.unpack_from(payload)
    try:
        key = ecdsa.VerifyingKey.from_string(source, ecdsa.SECP256k1, valid_encodings=("compressed",))
        key.verify(signature, payload[SIGNED_FROM:], hashfunc=hashlib.sha1)
    except ecdsa.errors.MalformedPointError:
        raise Dropped("key") from None
    except ecdsa.BadSignatureError:
        raise Dropped("signature") from None
    return Packet(source, queue_id, sequence, timestamp, kind, payload[HEADER.size :])


class Link:
    """One MQTT session. Its callbacks run in a thread of paho's, and only pass on what they got."""

    def __init__(self, host, port, topic, post):
        self.name = f"{host}:{port}"
        self.granted = False
        # paho 2 wants to be told that its callbacks are those of paho 1.
        version = [mqtt.CallbackAPIVersion.VERSION1] if hasattr(mqtt, "CallbackAPIVersion") else []
        self.client = mqtt.Client(
            *version, client_id=secrets.token_hex(10), clean_session=True, protocol=mqtt.MQTTv311
        )

        def on_connect(client, _userdata, _flags, code):
            if code == 0:
                client.subscribe(topic, qos=1)
            else:
                post(("failed", f"{self.name} refuses: {mqtt.connack_string(code)}"))

        def on_disconnect(_client, _userdata, code):
            if code != 0:
                post(("failed", f"{self.name} is gone: {mqtt.error_string(code)}"))

        self.client.on_connect = on_connect
        self.client.on_disconnect = on_disconnect
        self.client.on_subscribe = lambda _client, _userdata, _id, granted: post(("granted", self, granted))
        self.client.on_message = lambda _client, _userdata, publish: post(("packet", self, publish.payload))
        self.client.connect(host, port, keepalive=KEEP_ALIVE_S)
        self.client.loop_start()

    def publish(self, topic, payload, qos):
        self.client.publish(topic, payload, qos=qos)

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


class Outgoing:
    """A message or probe, from when it is packed."""

    def __init__(self, command, kind, queue_id, sequence, links, keys):
        self.id = command["id"]
        self.to = bytes.fromhex(command["to"])
        self.qos = command.get("qos", 1)
        self.lose = command.get("lose", 0)
        self.queue_id = queue_id
        self.sequence = sequence
        self.counted = command.get("queue") == "counted"
        self.acknowledged = False
        self.pause = FIRST_PAUSE_S
        self.until = time.monotonic() + RETRANSMIT_S
        wanted = command.get("by", list(links))
        message = bytes.fromhex(command.get("data", ""))
        timestamp = int(time.time())
        self.copies = [
            (links[name], keys.pack(queue_id, sequence, timestamp, kind, message)) for name in wanted
        ]

    @property
    def key(self):
        return (self.to, self.queue_id, self.sequence)

    def publish(self):
        for link, payload in self.copies:
            link.publish(self.to.hex(), payload, self.qos)


class CountedQueue:
    """One queue for one destination: 0, 1, 2 ..., each after the ACK of the one before."""

    def __init__(self):
        self.queue_id = secrets.token_bytes(32)
        self.sequence = 0
        self.waiting = collections.deque()
        self.busy = False


class Peer:
    """All of it runs in the main thread; what other threads have for it goes through `inbox`."""

    def __init__(self):
        self.keys = Keys()
        self.inbox = queue.Queue()
        self.links = {}
        self.outgoing = {}
        self.counted = {}
        self.retransmissions = []
        self.seen = set()
        self.muted = 0
        self.unsent = UnsentAcks()
        self.tick_at = time.monotonic() + TICK_S

    def run(self):
        threading.Thread(target=self.read_commands, daemon=True).start()
        tell("ready", address=self.keys.public.hex())
        while True:
            self.tick()
            self.retransmit()
            try:
                kind, *rest = self.inbox.get(timeout=self.idle_for())
            except queue.Empty:
                continue
            if kind == "end":
                break
            getattr(self, f"on_{kind}")(*rest)
        for link in self.links.values():
            link.close()

    def read_commands(self):
        for line in sys.stdin:
            self.inbox.put(("command", json.loads(line)))
        self.inbox.put(("end",))

    def on_command(self, command):
        getattr(self, f"do_{command['do']}")(command)

    def on_failed(self, error):
        tell("failed", error=error)

    def on_granted(self, link, granted):
        if granted[0] != 1:
            tell("failed", error=f"{link.name} grants QoS {granted[0]}")
            return
        link.granted = True
        if all(other.granted for other in self.links.values()):
            tell("listening")

    def on_packet(self, link, payload):
        try:
            self.take(link, unpack(payload))
        except Dropped as dropped:
            tell("dropped", reason=str(dropped))

    def do_listen(self, command):
        topic = self.keys.public.hex()
        for broker in command["brokers"]:
            link = Link(broker["host"], broker["port"], topic, self.inbox.put)
            self.links[link.name] = link

    def do_mute(self, command):
        self.muted = command["answers"]
        tell("muted")

    def do_probe(self, command):
        self.send(command, PROBE, secrets.token_bytes(32), 0)

    def do_send(self, command):
        if command["queue"] == "fresh":
            self.send(command, MSG, secrets.token_bytes(32), 0)
            return
        counted = self.counted.setdefault(command["to"], CountedQueue())
        counted.waiting.append(command)
        self.send_next(counted)

    def send_next(self, counted):
        if counted.busy or not counted.waiting:
            return
        counted.busy = True
        self.send(counted.waiting.popleft(), MSG, counted.queue_id, counted.sequence)
        counted.sequence += 1

    def send(self, command, kind, queue_id, sequence):
        message = Outgoing(command, kind, queue_id, sequence, self.links, self.keys)
        self.outgoing[message.key] = message
        tell(
            "sent",
            id=message.id,
            queueId=queue_id.hex(),
            sequence=sequence,
            signatures=[payload[33:SIGNED_FROM].hex() for _, payload in message.copies],
        )
        message.publish()
        self.plan(message)

    def plan(self, message):
        heapq.heappush(self.retransmissions, (time.monotonic() + message.pause, message.id, message))

    def idle_for(self):
        """Until the next tick or retransmission, in seconds."""
        due = [self.tick_at] + [at for at, _, _ in self.retransmissions[:1]]
        return max(0, min(due) - time.monotonic())

    def retransmit(self):
        while self.retransmissions and self.retransmissions[0][0] <= time.monotonic():
            _, _, message = heapq.heappop(self.retransmissions)
            if message.acknowledged:
                continue
            if time.monotonic() > message.until:
                tell("unacknowledged", id=message.id)
                self.settle(message)
                continue
            message.publish()
            message.pause *= 2
            self.plan(message)

    def settle(self, message):
        """Lets the next message of its queue go."""
        if not message.counted:
            return
        counted = self.counted[message.to.hex()]
        counted.busy = False
        self.send_next(counted)

    def take(self, link, packet):
        if packet.type == ACK:
            self.take_ack(link, packet)
        elif packet.type == PROBE:
            self.answer(link, packet)
        elif packet.type == MSG:
            if time.time() - packet.timestamp > MAX_AGE_S:
                raise Dropped("old")
            self.show(link, packet)
            self.answer(link, packet)
        else:
            raise Dropped("type")

    def take_ack(self, link, packet):
        message = self.outgoing.get((packet.source, packet.queue_id, packet.sequence))
        if message is None:
            raise Dropped("ack")
        if message.lose > 0:
            message.lose -= 1
            return
        tell("acknowledged", id=message.id, broker=link.name)
        if not message.acknowledged:
            message.acknowledged = True
            self.settle(message)

    def show(self, link, packet):
        key = (packet.source, packet.queue_id, packet.sequence)
        if key in self.seen:
            return
        self.seen.add(key)
        tell(
            "message",
            **{"from": packet.source.hex()},
            queueId=packet.queue_id.hex(),
            sequence=packet.sequence,
            timestamp=packet.timestamp,
            data=packet.message.hex(),
            text=packet.message.decode("utf-8", errors="ignore"),
            broker=link.name,
        )

    def answer(self, link, packet):
        if self.muted > 0:
            self.muted -= 1
            return
        self.unsent.add(link, packet)

    def tick(self):
        """Lets the ACKs leave that are still owed."""
        if time.monotonic() < self.tick_at:
            return
        # As the loop of the original: work that takes long makes the next tick late, and none is made up for.
        self.tick_at = time.monotonic() + TICK_S
        for link, packet in self.unsent.take():
            payload = self.keys.pack(packet.queue_id, packet.sequence, int(time.time()), ACK, b"ack")
            link.publish(packet.source.hex(), payload, 1)
            tell(
                "answered",
                type=packet.type,
                queueId=packet.queue_id.hex(),
                sequence=packet.sequence,
                broker=link.name,
            )


class UnsentAcks:
    """What is to be acknowledged on the next tick, by queue, sequence number and link."""

    def __init__(self):
        self.queues = {}

    def add(self, link, packet):
        owed = self.queues.setdefault((packet.source, packet.queue_id), {})
        for key in [key for key in owed if key[0] < packet.sequence]:
            del owed[key]
        owed[packet.sequence, link] = packet

    def take(self):
        taken = [(link, packet) for owed in self.queues.values() for (_, link), packet in owed.items()]
        self.queues = {}
        return taken


def tell(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


if __name__ == "__main__":
    try:
        Peer().run()
    except BaseException:
        traceback.print_exc()
        # The other threads are in the middle of something, and would hold up an orderly end.
        os._exit(1)
