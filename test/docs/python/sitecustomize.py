"""Loaded by Python before an example of the documentation, like network.ts before one in Node: every
connection leads to a broker on this machine."""

import os
import socket

brokers = os.environ["DOCS_BROKERS"].split(",")
connect = socket.create_connection


def redirected(address, *args, **kwargs):
    name, _ = address
    host, port = brokers[sum(map(ord, name)) % len(brokers)].split(":")
    return connect((host, int(port)), *args, **kwargs)


socket.create_connection = redirected
