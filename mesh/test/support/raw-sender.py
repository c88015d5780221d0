# Sends whole IP packets, with whatever sender they name, as an attacker does who has root: Node has no such sockets. Reads
# lines of JSON, {"packets": [HEX …], "times": COUNT, "perSecond": PACKETS}, and writes `sent COUNT` after each.
import json
import socket
import sys
import time

four = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
six = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
print("ready", flush=True)
for line in sys.stdin:
    order = json.loads(line)
    packets = [bytes.fromhex(one) for one in order["packets"]]
    began = time.monotonic()
    sent = 0
    for _ in range(order["times"]):
        for packet in packets:
            if packet[0] >> 4 == 4:
                four.sendto(packet, (socket.inet_ntop(socket.AF_INET, packet[16:20]), 0))
            else:
                six.sendto(packet, (socket.inet_ntop(socket.AF_INET6, packet[24:40]), 0))
            sent += 1
            time.sleep(max(0, began + sent / order["perSecond"] - time.monotonic()))
    print("sent", sent, flush=True)
