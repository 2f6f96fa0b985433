"""A proxy before a broker that breaks one promise of it, to see that the crash test as a whole finds that out.

A lie is asked for every packet: what goes on, and what goes back to where it came from. It needs no version of MQTT: up to the packet
identifier all versions write PUBLISH alike.
"""

import socket
import struct
import threading

import mqtt_wire as wire

STRANGE_ID = 64000  # packet identifiers from here on are a lie's own


def frames(data):
    """Whole packets at the front of `data`, and the rest."""
    found = []
    while len(data) >= 2:
        length = shift = 0
        for at in range(1, min(5, len(data))):
            length |= (data[at] & 0x7F) << shift
            shift += 7
            if data[at] < 0x80:
                break
        else:
            break
        end = at + 1 + length
        if len(data) < end:
            break
        found.append((data[0], data[:at + 1], data[at + 1:end]))
        data = data[end:]
    return found, data


def ack(kind, packet_id):
    return wire.ack(4, kind, packet_id)


def publish_parts(body):
    """Topic, and where the packet identifier is."""
    end = 2 + struct.unpack_from(">H", body)[0]
    return body[2:end], end


class Honest:
    """Changes nothing. Every connection has one of its own; `count` is common to all. Of the packets that it might change a lie
    changes one in `every`."""

    every = 40

    def __init__(self, count):
        self.count = count

    def due(self):
        self.count[0] += 1
        return self.count[0] % self.every == 0

    def from_client(self, first, head, body):
        """(packets for the broker, packets for the client)"""
        return [head + body], []

    def from_broker(self, packets):
        """Packets of one read: (packets for the client, packets for the broker)"""
        return [head + body for _, head, body in packets], []


class Swallows(Honest):
    """Acknowledges QoS 1 messages that the broker never sees."""

    prefixes = (b"m/", b"crowd/")

    def from_client(self, first, head, body):
        if first >> 4 == wire.PUBLISH and first >> 1 & 3 == 1:
            topic, at = publish_parts(body)
            if topic.startswith(self.prefixes) and self.due():
                return [], [ack(wire.PUBACK, struct.unpack_from(">H", body, at)[0])]
        return [head + body], []


class ForgetsRetained(Swallows):
    """The same with retained messages."""

    prefixes, every = (b"r/",), 3


class Repeats(Honest):
    """Sends QoS 2 messages once more, as new ones."""

    def from_broker(self, packets):
        out = []
        for first, head, body in packets:
            out.append(head + body)
            if first >> 4 == wire.PUBLISH and first & 0xE == 4 and self.due():
                at = publish_parts(body)[1]
                out.append(head + body[:at] + struct.pack(">H", STRANGE_ID + self.count[0] % 1000) + body[at + 2:])
        return out, []

    def from_client(self, first, head, body):
        if first >> 4 in (wire.PUBREC, wire.PUBCOMP) and struct.unpack_from(">H", body)[0] >= STRANGE_ID:
            return [], [ack(wire.PUBREL, struct.unpack_from(">H", body)[0])] if first >> 4 == wire.PUBREC else []
        return [head + body], []


class Reorders(Honest):
    """Hands over two messages the wrong way round."""

    def from_broker(self, packets):
        packets = list(packets)
        for at in range(1, len(packets)):
            if all(first >> 4 == wire.PUBLISH for first, _, _ in packets[at - 1:at + 1]) and (
                    publish_parts(packets[at - 1][2])[0] == publish_parts(packets[at][2])[0]) and self.due():
                packets[at - 1], packets[at] = packets[at], packets[at - 1]
        return super().from_broker(packets)


class Impolite(Honest):
    """Keeps DISCONNECT to itself and closes."""

    def from_client(self, first, head, body):
        return ([head + body], []) if first >> 4 != wire.DISCONNECT else (None, [])


class Forgetful(Honest):
    """Makes some a clean start who did not ask for it."""

    def from_client(self, first, head, body):
        if first >> 4 == wire.CONNECT and self.due():
            at = 3 + struct.unpack_from(">H", body)[0]
            body = body[:at] + bytes([body[at] | 2]) + body[at + 1:]
        return [head + body], []


class Liar:
    """A broker of brokers.py behind a proxy. Only one connection's threads at a time use a lie, but for its count."""

    def __init__(self, broker, lie):
        self.broker, self.lie, self.count = broker, lie, [0]
        self.listener = None
        self.sockets = []

    def start(self):
        self.target = self.broker.start()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=500)
        threading.Thread(target=self.accept, daemon=True).start()
        return self.listener.getsockname()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            broker, lie = socket.create_connection(self.target), self.lie(self.count)
            self.sockets += [client, broker]
            for source, target, change in ((client, broker, self.change_client(lie)), (broker, client, lie.from_broker)):
                source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=pump, args=(source, target, change), daemon=True).start()

    @staticmethod
    def change_client(lie):
        def change(packets):
            onward, back = [], []
            for packet in packets:
                for_broker, for_client = lie.from_client(*packet)
                if for_broker is None:
                    return None, []
                onward += for_broker
                back += for_client
            return onward, back
        return change

    def alive(self):
        return self.broker.alive()

    def stop(self):
        self.listener.close()
        self.broker.stop()
        for end in self.sockets:
            end.close()

    def kill(self):
        raise NotImplementedError("a liar is not killed")

    def end(self):
        if self.listener:
            self.listener.close()
        self.broker.end()


def pump(source, target, change):
    """Moves packets from one socket to the other until either has ended."""
    rest = b""
    try:
        while data := source.recv(1 << 16):
            packets, rest = frames(rest + data)
            onward, back = change(packets)
            if onward is None:
                break
            target.sendall(b"".join(onward))
            source.sendall(b"".join(back))
    except OSError:
        pass
    for end in (source, target):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
