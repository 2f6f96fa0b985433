"""A raw MQTT client for tests: it sends any bytes and checks everything that comes back.

Nothing here waits for time to pass: `expect*` waits for a packet or for the end of the connection, up to DEADLINE seconds. That
something does *not* arrive is shown by a packet that the broker sends after it: the answer to a PINGREQ (`barrier`), or a later
message of the same publisher (`fence`).

Besides the decoder's rules every client checks, on every packet: nothing before CONNACK and only one, no packet larger than it
announced, packet identifiers of PUBLISH unused unless re-sent, no more PUBLISH than its Receive Maximum, only topic aliases it
allowed, nothing after DISCONNECT.
"""

import functools
import itertools
import os
import socket
import time

import mqtt_wire as wire
from mqtt_wire import (AUTH, CONNACK, DISCONNECT, NAMES, PINGRESP, PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL, SUBACK, UNSUBACK,
                       WireError)

DEADLINE = float(os.environ.get("CONFORMANCE_DEADLINE", "15"))
_fences = itertools.count(1)


class Client:
    """One network connection. Use `connect()` of conftest's fixtures unless CONNECT itself is what you test."""

    def __init__(self, address, version):
        self.version, self.address = version, address
        self.socket = socket.create_connection(address, timeout=DEADLINE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.connack = None
        self.ended = False  # the server has sent DISCONNECT
        self.maximum_packet_size, self.receive_maximum, self.alias_maximum = None, 65535, 0
        self.in_flight = {}  # packet identifier -> QoS of PUBLISH received and not finished
        self.aliases = {}
        self.next_id = 0
        self.fence_topic = None
        self.early = []  # PUBLISH that came before SUBACK, which the standard allows; receive() returns them next

    # --- bytes ----------------------------------------------------------------------------------------------------------

    def send(self, *packets):
        self.socket.sendall(b"".join(packets))

    def read_packet(self, seconds=None):
        """The next packet's first byte and body, or None at the end of the connection."""
        deadline = time.monotonic() + (DEADLINE if seconds is None else seconds)
        while True:
            frame = self._take_frame()
            if frame:
                return frame
            left = deadline - time.monotonic()
            if left <= 0:
                raise AssertionError(f"nothing arrived in time; unfinished bytes: {self.buffer.hex()}")
            self.socket.settimeout(left)
            try:
                data = self.socket.recv(1 << 16)
            except socket.timeout:
                continue
            except ConnectionError:
                data = b""
            if not data:
                if self.buffer:
                    raise WireError(f"the connection ended inside a packet: {self.buffer.hex()}")
                return None
            self.buffer += data

    def _take_frame(self):
        if len(self.buffer) < 2:
            return None
        length, shift, at = 0, 0, 1
        while True:
            if at > 4:
                raise WireError(f"remaining length of more than four bytes: {self.buffer[:6].hex()}")
            if at >= len(self.buffer):
                return None
            digit = self.buffer[at]
            length |= (digit & 0x7F) << shift
            shift, at = shift + 7, at + 1
            if not digit & 0x80:
                break
        if at > 2 and not digit:
            raise WireError(f"overlong remaining length: {self.buffer[:6].hex()}")
        if len(self.buffer) < at + length:
            return None
        frame = self.buffer[0], self.buffer[at:at + length]
        self.buffer = self.buffer[at + length:]
        return frame

    # --- packets --------------------------------------------------------------------------------------------------------

    def receive(self, seconds=None):
        """The next packet, decoded and checked; None at the end of the connection."""
        if self.early:
            return self.early.pop(0)
        frame = self.read_packet(seconds)
        if frame is None:
            return None
        got = wire.decode(self.version, *frame)
        self._check(got)
        return got

    def _check(self, got):
        if self.ended:
            raise WireError(f"{NAMES[got.kind]} after DISCONNECT")
        if self.connack is None and got.kind not in (CONNACK, AUTH):
            raise WireError(f"{NAMES[got.kind]} before CONNACK")
        if self.connack is not None and got.kind == CONNACK:
            raise WireError("a second CONNACK")
        if self.maximum_packet_size and got.size > self.maximum_packet_size:
            raise WireError(f"{NAMES[got.kind]} of {got.size} bytes, allowed are {self.maximum_packet_size}")
        if got.kind == CONNACK:
            self.connack = got
        elif got.kind == DISCONNECT:
            self.ended = True
        elif got.kind == PUBLISH:
            self._check_publish(got)
        elif got.kind == PUBREL and got.packet_id in self.in_flight:
            self.in_flight[got.packet_id] = "released"

    def _check_publish(self, got):
        alias = wire.value_of(got, wire.TOPIC_ALIAS)
        if alias is not None:
            if alias > self.alias_maximum:
                raise WireError(f"topic alias {alias}, allowed are {self.alias_maximum}")
            if not got.topic and alias not in self.aliases:
                raise WireError(f"topic alias {alias} was never set on this connection")
            got.topic = self.aliases[alias] = got.topic or self.aliases[alias]
        if got.qos:
            if got.packet_id in self.in_flight:
                raise WireError(f"packet identifier {got.packet_id} is in use")
            self.in_flight[got.packet_id] = got.qos
            if len(self.in_flight) > self.receive_maximum:
                raise WireError(f"{len(self.in_flight)} PUBLISH unacknowledged, allowed are {self.receive_maximum}")

    def expect(self, kind, seconds=None, **fields):
        """The next packet, which must be of that kind and have those fields."""
        got = self.receive(seconds)
        assert got is not None, f"expected {NAMES[kind]}, the connection ended"
        assert got.kind == kind, f"expected {NAMES[kind]} {fields}, got {NAMES[got.kind]} {vars(got)}"
        for field, value in fields.items():
            assert getattr(got, field) == value, f"{NAMES[kind]}.{field}: expected {value!r}, got {getattr(got, field)!r}"
        return got

    def expect_closed(self, *reasons, seconds=None):
        """The server ends the connection. In 5.0, after CONNACK, DISCONNECT with one of `reasons` may come first; nothing else
        may. Without `reasons` any error code will do."""
        reason = None
        got = self.receive(seconds)
        if got is not None:
            assert got.kind == DISCONNECT, f"expected the end of the connection, got {NAMES[got.kind]} {vars(got)}"
            reason = got.reason
            assert reason in reasons if reasons else reason >= 0x80, f"DISCONNECT {reason:#04x}, expected {hexes(reasons)}"
            got = self.receive(seconds)
        assert got is None, f"expected the end of the connection, got {NAMES[got.kind]}"
        self.close()
        return reason

    def expect_refused(self, *reasons):
        """The answer to CONNECT is CONNACK with one of `reasons` and the end of the connection, or only the end of it when
        `reasons` is empty or has None."""
        got = self.receive()
        if got is None:
            assert not reasons or None in reasons, f"closed without CONNACK, expected {hexes(reasons)}"
        else:
            assert got.kind == CONNACK, f"expected CONNACK, got {NAMES[got.kind]}"
            assert got.reason in reasons, f"CONNACK {got.reason:#04x}, expected {hexes(reasons) or 'no CONNACK'}"
            after = self.receive()
            assert after is None, f"{NAMES[after.kind]} after a CONNACK with an error"
        self.close()
        return got

    def barrier(self):
        """Nothing has been sent to this client: the next packet is the answer to PINGREQ."""
        self.send(wire.pingreq())
        self.expect(PINGRESP)

    def fence(self, publisher):
        """Nothing that `publisher` sent before this call is on its way to this client: its next packet is the fence."""
        if self.fence_topic is None:
            self.fence_topic = f"fence/{os.getpid()}/{next(_fences)}"
            self.subscribe(self.fence_topic)
        publisher.publish(self.fence_topic, b"fence", qos=0)
        self.expect(PUBLISH, topic=self.fence_topic, payload=b"fence", qos=0)

    # --- exchanges ------------------------------------------------------------------------------------------------------

    def new_id(self):
        self.next_id = self.next_id % 65535 + 1
        return self.next_id

    def handshake(self, client_id="", **fields):
        """CONNECT and a CONNACK that accepts."""
        props = dict(fields.get("props", ()))
        self.maximum_packet_size = props.get(wire.MAXIMUM_PACKET_SIZE)
        self.receive_maximum = props.get(wire.RECEIVE_MAXIMUM, 65535)
        self.alias_maximum = props.get(wire.TOPIC_ALIAS_MAXIMUM, 0)
        self.send(wire.connect(self.version, client_id, **fields))
        self.expect(CONNACK, reason=0)
        return self

    def subscribe(self, *filters, qos=0, props=(), **subscription_options):
        """SUBSCRIBE with these filters, or (filter, options byte) pairs; every one must be granted as asked."""
        pairs = [item if isinstance(item, tuple) else (item, wire.options(qos, **subscription_options)) for item in filters]
        packet_id = self.new_id()
        self.send(wire.subscribe(self.version, packet_id, pairs, props))
        return self.expect_suback(packet_id=packet_id, codes=[byte & 3 for _, byte in pairs])

    def expect_suback(self, **fields):
        """SUBACK; messages may come before it and stay to be received."""
        early, self.early = self.early, []
        while True:
            got = self.receive()
            if got is None or got.kind != PUBLISH:
                break
            early.append(got)
        self.early = [got]
        got = self.expect(SUBACK, **fields)
        self.early = early
        return got

    def unsubscribe(self, *filters):
        packet_id = self.new_id()
        self.send(wire.unsubscribe(self.version, packet_id, filters))
        return self.expect(UNSUBACK, packet_id=packet_id)

    def publish(self, topic, payload=b"", qos=0, retain=False, props=(), ok=(0x00, 0x10)):
        """One message with its whole handshake; returns the PUBACK or PUBREC."""
        packet_id = self.new_id() if qos else 0
        self.send(wire.publish(self.version, topic, payload, qos, packet_id, retain, props=props))
        if not qos:
            return None
        got = self.expect(PUBACK if qos == 1 else PUBREC, packet_id=packet_id)
        assert got.reason in ok, f"{NAMES[got.kind]} {got.reason:#04x}"
        if qos == 2 and got.reason < 0x80:
            self.send(wire.ack(self.version, PUBREL, packet_id))
            self.expect(PUBCOMP, packet_id=packet_id, reason=0)
        return got

    def keep(self, topic, payload, qos=0, **fields):
        """Publishes a retained message. None confirms one of QoS 0, so a probe looks until the store has it."""
        self.publish(topic, payload, qos, retain=True, **fields)
        deadline = time.monotonic() + DEADLINE
        while qos == 0 and self._stored(topic) != payload:
            assert time.monotonic() < deadline, f"{topic} is not retained as {payload}"

    def _stored(self, topic):
        """What a new subscription of this topic gets; empty when nothing."""
        probe = Client(self.address, 4).handshake("")
        found = probe.retained(topic, skip_live=True)  # the message itself may come by while the probe subscribes
        probe.close()
        return found[topic].payload if found else b""

    def retained(self, *filters, qos=0, skip_live=False, **subscription_options):
        """Subscribes, and returns the retained messages that come, as {topic: message}, all acknowledged. The last filter of the
        packet has a retained message that is known: what came before it is all there is."""
        sentinel = sentinel_at(self.address)
        byte = wire.options(qos, **subscription_options)
        self.subscribe(*((filter_, byte) for filter_ in filters), (sentinel, 0))
        found = {}
        while (message := self.expect(PUBLISH)).topic != sentinel:
            if skip_live and not message.retain:
                continue
            assert message.retain, f"{message.topic} came with RETAIN 0"
            assert message.topic not in found, f"{message.topic} came twice"
            found[message.topic] = message
        for message in found.values():
            self.acknowledge(message)
        return found

    def acknowledge(self, message):
        """Finishes the receiving side of a PUBLISH."""
        if message.qos == 1:
            self.finish(PUBACK, message.packet_id)
        elif message.qos == 2:
            self.send(wire.ack(self.version, PUBREC, message.packet_id))
            self.expect(PUBREL, packet_id=message.packet_id, reason=0)
            self.finish(PUBCOMP, message.packet_id)

    def finish(self, kind, packet_id, reason=None):
        """Sends the packet that ends an exchange: its identifier is free again."""
        self.in_flight.pop(packet_id, None)
        self.send(wire.ack(self.version, kind, packet_id, reason))

    def take(self, **fields):
        """The next message, acknowledged."""
        message = self.expect(PUBLISH, **fields)
        self.acknowledge(message)
        return message

    def disconnect(self, reason=None, props=None):
        """Says goodbye and waits until the server has closed, so that what follows finds this session disconnected."""
        self.send(wire.disconnect(self.version, reason, props))
        self.expect_closed()

    def close(self):
        self.socket.close()

    def drop(self):
        """Ends the connection without DISCONNECT, and waits until the server has noticed."""
        self.socket.shutdown(socket.SHUT_WR)
        while self.read_packet() is not None:
            pass
        self.close()


@functools.lru_cache(maxsize=None)
def sentinel_at(address):
    """A topic that has a retained message at this broker."""
    topic = f"sentinel/{os.getpid()}"
    keeper = Client(address, 4).handshake("")
    keeper.publish(topic, b"sentinel", qos=1, retain=True)
    keeper.disconnect()
    return topic


def let_seconds_expire(join, name, seconds):
    """Returns once a message with so many seconds to live, published by this call, has expired in the broker; so has every
    other that was published before with no more than that."""
    topic = f"{name}/expiring"
    publisher = join(5)
    publisher.publish(topic, b"tick", qos=1, retain=True, props=[(wire.MESSAGE_EXPIRY, seconds)])
    deadline = time.monotonic() + seconds + DEADLINE
    while time.monotonic() < deadline:
        if not join(5).retained(topic):
            return
        time.sleep(0.02)
    raise AssertionError("a retained message does not expire")


def hexes(codes):
    return ", ".join("close" if code is None else f"{code:#04x}" for code in codes)
