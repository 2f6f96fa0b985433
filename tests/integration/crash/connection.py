"""One network connection: whole packets to its owner, corked output."""

import asyncio
import struct
from types import SimpleNamespace

import mqtt_wire as wire

HIGH_WATER = 1 << 22


class Connection(asyncio.Protocol):
    """Calls owner.on_packet(packet) for each packet and owner.on_lost() once, when the connection has ended by itself."""

    def __init__(self, owner, version):
        self.owner, self.version = owner, version
        self.transport = None
        self.unread = b""
        self.out, self.corked = [], False

    def connection_made(self, transport):
        self.transport = transport
        transport.set_write_buffer_limits(HIGH_WATER)

    def data_received(self, data):
        data = self.unread + data if self.unread else data
        at, size = 0, len(data)
        self.corked = True
        while self.owner is not None and size - at >= 2:
            length, start = remaining_length(data, at, size)
            if length is None or start + length > size:
                break
            packet = decode(self.version, data[at], data[start:start + length])
            at = start + length
            self.owner.on_packet(packet)
        self.unread = data[at:]
        self.corked = False
        self.flush()

    def connection_lost(self, exc):
        owner, self.owner = self.owner, None
        if owner is not None:
            owner.on_lost()

    def send(self, packet):
        self.out.append(packet)
        if not self.corked:
            self.flush()

    def flush(self):
        if self.out and self.transport is not None and not self.transport.is_closing():
            self.transport.write(b"".join(self.out))
        self.out.clear()

    def pause(self, paused):
        """Stops or starts to read from the socket."""
        if self.transport.is_closing() or self.transport.is_reading() != paused:
            return
        if paused:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    def drop(self):
        """Ends the connection at once; nothing that came and was not handled yet counts."""
        self.owner = None
        self.transport.abort()


def remaining_length(data, at, size):
    """The body's length and where it begins; None while the length is not complete."""
    length = shift = 0
    for index in range(at + 1, min(at + 5, size)):
        digit = data[index]
        length |= (digit & 0x7F) << shift
        if digit < 0x80:
            return length, index + 1
        shift += 7
    return None, at


def decode(version, first, body):
    """As wire.decode(), with a short way for the two kinds that come in thousands."""
    kind = first >> 4
    if len(body) == 2 and kind in (wire.PUBACK, wire.PUBREC, wire.PUBREL, wire.PUBCOMP):
        return SimpleNamespace(kind=kind, packet_id=body[0] << 8 | body[1], reason=0)
    if kind != wire.PUBLISH or not first & 6 or len(body) < 5:
        return wire.decode(version, first, body)
    end = 2 + (body[0] << 8 | body[1])
    payload = end + 2
    if version >= 5:
        if len(body) <= payload or body[payload] != 0:  # it has properties
            return wire.decode(version, first, body)
        payload += 1
    packet_id, = struct.unpack_from(">H", body, end)
    return SimpleNamespace(kind=kind, qos=first >> 1 & 3, dup=bool(first & 8), retain=bool(first & 1), packet_id=packet_id,
                           topic=body[2:end].decode(), payload=body[payload:])
