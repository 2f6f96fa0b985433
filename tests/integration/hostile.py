"""What the tests with hostile clients share: the witness, the bounds on the broker's process, numbers that can be scaled down.

$INTEGRATION_SCALE (default 1) multiplies counts of connections and messages. Builds with a sanitizer are recognised: their
memory bounds are wider, since a sanitizer's own bookkeeping counts as the broker's memory.
"""

import functools
import os
import socket

import mqtt_wire as wire
from mqtt_client import Client
from support import broker as launcher
from support.broker import wait_until

MIB = 1 << 20
SECONDS = 60
SCALE = float(os.environ.get("INTEGRATION_SCALE", "1"))


def scaled(count):
    return max(1, int(count * SCALE))


@functools.lru_cache(None)
def sanitized():
    """True when the program under test was built with a sanitizer."""
    with open(launcher.program(), "rb") as file:
        contents = file.read()
    return b"__asan_init" in contents or b"__tsan_init" in contents


class Witness:
    """A well-behaved client that wants to be served whatever the others do."""

    def __init__(self, broker, name, version=5):
        self.client = Client(broker.address, version)
        self.client.handshake(name + "witness", keep_alive=0)
        self.topic = name + "/witness"
        self.client.subscribe(self.topic, qos=1)
        self.count = 0

    def is_served(self):
        """PINGREQ and a QoS 1 message to itself are answered."""
        self.count += 1
        self.client.barrier()
        payload, packet_id = str(self.count).encode(), self.client.new_id()
        self.client.send(wire.publish(self.client.version, self.topic, payload, 1, packet_id))
        got = {}
        for _ in range(2):
            packet = self.client.receive()
            assert packet is not None, "the witness was disconnected"
            got[packet.kind] = packet
        assert got[wire.PUBACK].packet_id == packet_id
        assert got[wire.PUBLISH].payload == payload
        self.client.acknowledge(got[wire.PUBLISH])


class Guard:
    """Holds the broker to its bounds: the witness is served, memory stays below a bound, descriptors come back."""

    def __init__(self, broker, name):
        self.broker = broker
        self.descriptors = broker.descriptors() if broker.pid else 0
        self.resident = broker.resident_bytes() if broker.pid else 0
        self.witness = Witness(broker, name)

    def check(self, growth_mib):
        """The witness is served, and the broker has grown by no more than this since the test began."""
        self.witness.is_served()
        if self.broker.pid:
            bound = growth_mib * MIB
            if sanitized():
                bound = bound * 4 + 1024 * MIB
            grown = self.broker.resident_bytes() - self.resident
            assert grown <= bound, f"the broker has grown by {grown >> 20} MiB, allowed are {bound >> 20}"

    def finish(self, growth_mib=64):
        """After the other clients have left: all as before."""
        self.check(growth_mib)
        self.witness.client.close()
        if self.broker.pid:
            wait_until(lambda: self.broker.descriptors() <= self.descriptors, SECONDS,
                       f"back to {self.descriptors} descriptors: {self.broker.descriptors()}")
        assert self.broker.running()


def read_to_end(client):
    """Every packet until the broker closes the connection, decoded; a packet cut off by the end is an error."""
    packets = []
    while True:
        packet = client.receive()
        if packet is None:
            return packets
        packets.append(packet)


def collect(client, count):
    """The next `count` messages, with all their handshakes finished, whichever way these are interleaved."""
    messages, open_exchanges = [], 0
    while len(messages) < count or open_exchanges:
        packet = client.receive()
        assert packet is not None, f"the connection ended after {len(messages)} of {count} messages"
        if packet.kind == wire.PUBREL:
            client.finish(wire.PUBCOMP, packet.packet_id)
            open_exchanges -= 1
            continue
        assert packet.kind == wire.PUBLISH, f"{wire.NAMES[packet.kind]} among messages"
        messages.append(packet)
        if packet.qos == 1:
            client.acknowledge(packet)
        elif packet.qos == 2:
            client.send(wire.ack(client.version, wire.PUBREC, packet.packet_id))
            open_exchanges += 1
    return messages


def half_close(client):
    """No more bytes from us; we still read."""
    try:
        client.socket.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # the broker was faster


def send_what_it_takes(client, data):
    """Sends until the broker closes the connection."""
    try:
        client.send(data)
    except OSError:
        pass
