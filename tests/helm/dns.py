"""A DNS server for names that come and go: A records of pods and services; other names are said not to exist."""

import socket
import struct
import threading

A = 1
NAME_ERROR = 3


def name_of(query):
    """The name that a query asks about, and where the question ends."""
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode("ascii", "replace"))
        at += 1 + query[at]
    return ".".join(labels).lower(), at + 5


def answer(query, addresses_of):
    name, end = name_of(query)
    kind = struct.unpack_from("!H", query, end - 4)[0]
    addresses = addresses_of(name)
    records = (addresses or []) if kind == A else []
    code = NAME_ERROR if addresses is None else 0
    flags = 0x8400 | (struct.unpack_from("!H", query, 2)[0] & 0x0100) | code
    head = query[:2] + struct.pack("!5H", flags, 1, len(records), 0, 0)
    return head + query[12:end] + b"".join(struct.pack("!HHHIH4s", 0xC00C, A, 1, 1, 4, socket.inet_aton(each)) for each in records)


class DnsServer:
    """Serves on a host of the network. addresses_of(name): a list, empty for a name without any, None for no such name."""

    def __init__(self, host, addresses_of):
        self.address, self.addresses_of = host.address, addresses_of
        with host.entered():
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.socket.bind((host.address, 53))
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                query, peer = self.socket.recvfrom(4096)
            except OSError:
                return
            if not query:
                return
            try:
                self.socket.sendto(answer(query, self.addresses_of), peer)
            except (IndexError, struct.error):
                continue  # no question

    def stop(self):
        self.socket.close()
