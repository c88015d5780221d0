import hashlib, json, math, secrets, struct, sys, time
import ecdsa, paho.mqtt.client as mqtt

peer = bytes.fromhex(sys.argv[1])
key = ecdsa.SigningKey.generate(ecdsa.SECP256k1)
me = key.verifying_key.to_string("compressed")


def score(host):
    digest = hashlib.sha256(b"\x02" + peer + host.encode()).digest()
    return -math.log((int.from_bytes(digest, "big") + 1) / 2**256)


def packet(text):
    signed = secrets.token_bytes(32) + struct.pack(">IQB", 0, int(time.time()), 1) + text.encode()
    return me + key.sign(signed, hashfunc=hashlib.sha1) + signed


def on_message(client, _, message):
    if message.payload[:33] == peer and message.payload[141] == 2:
        print("acknowledged")
        client.disconnect()


brokers = json.load(open("brokers.json"))["IPv4"]
best = min(brokers, key=score)
client = mqtt.Client()
client.on_connect = lambda *_: client.subscribe(me.hex(), qos=1)
client.on_subscribe = lambda *_: client.publish(peer.hex(), packet("hello from Python"))
client.on_message = on_message
client.connect(best, brokers[best]["port"])
client.loop_forever()
