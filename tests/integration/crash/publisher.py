"""A publisher: sends its plan with a window, and after each reconnect again what was not acknowledged."""

import collections

import mqtt_wire as wire
from crash.client import Client
from crash.payload import make_payload


class Publisher(Client):
    """`plan` holds plan.Item, sent in their order. Packet identifiers are used again as soon as they are free."""

    def __init__(self, world, name, version, window, lowest_id):
        super().__init__(world, name, version)
        self.window, self.lowest_id = window, lowest_id
        self.plan = collections.deque()
        self.allowed = 1
        self.sequence = 0
        self.open = {}      # packet identifier -> (Publish, packet), waiting for PUBACK or PUBREC, in the order of sending
        self.released = {}  # packet identifier -> None, waiting for PUBCOMP, in the order of PUBREC
        self.last_id = 0

    def done(self):
        return not (self.plan or self.open or self.released)

    def on_session_gone(self):
        """The server knows nothing of what is under way: those messages are new ones to it, and PUBREL means nothing."""
        self.released.clear()

    def on_resumed(self, packet):
        server_window = wire.value_of(packet, wire.RECEIVE_MAXIMUM, 65535)
        self.allowed = min(self.window, server_window)
        for packet_id in self.released:
            self.send(wire.ack(self.version, wire.PUBREL, packet_id))
        for _, packet in self.open.values():
            self.send(bytes([packet[0] | 8]) + packet[1:])  # DUP
        self.pump()

    def on_message(self, packet):
        if packet.kind == wire.PUBACK:
            self.finish(packet, 1)
        elif packet.kind == wire.PUBREC:
            if self.finish(packet, 2):
                self.released[packet.packet_id] = None
                self.send(wire.ack(self.version, wire.PUBREL, packet.packet_id))
        elif packet.kind == wire.PUBCOMP:
            if packet.packet_id in self.released:
                del self.released[packet.packet_id]
            else:
                self.history.problem("strange", f"{self.name}: PUBCOMP {packet.packet_id} for nothing")
        else:
            self.history.problem("strange", f"{self.name}: {wire.NAMES[packet.kind]} to a publisher")
        self.pump()

    def finish(self, packet, qos):
        """PUBACK or PUBREC. True when the message was accepted."""
        message, _ = self.open.get(packet.packet_id, (None, None))
        if message is None or message.qos != qos:
            # PUBREC may come twice: the one of before the reconnect and the one for the PUBLISH that was sent again.
            if qos == 1 or packet.packet_id not in self.released:
                self.history.problem("strange", f"{self.name}: {wire.NAMES[packet.kind]} {packet.packet_id} for nothing")
            return False
        del self.open[packet.packet_id]
        if packet.reason >= 0x80:
            self.history.problem("refused", f"{self.name} {message.sequence}: reason {packet.reason:#04x}")
            return False
        self.history.acked(message)
        return True

    def pump(self):
        while self.served and self.plan and len(self.open) + len(self.released) < self.allowed:
            self.publish(self.plan.popleft())

    def publish(self, item):
        self.sequence += 1
        message = self.history.sent(self.name, self.sequence, item.topic, item.qos, item.retain, item.deletes)
        payload = b"" if item.deletes else make_payload(self.name, self.sequence, item.size)
        packet_id = self.free_id() if item.qos else 0
        packet = wire.publish(self.version, item.topic, payload, item.qos, packet_id, item.retain)
        if item.qos:
            self.open[packet_id] = message, packet
        self.send(packet)

    def free_id(self):
        candidate = 1 if self.lowest_id else self.last_id % 65535 + 1
        while candidate in self.open or candidate in self.released:
            candidate = candidate % 65535 + 1
        self.last_id = candidate
        return candidate
