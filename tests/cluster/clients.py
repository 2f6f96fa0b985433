"""The crash test's clients in a cluster: they go to any node, are turned away now and then, and notice when nothing answers.

What a client may be told while something is wrong (`EXCUSED`) is no violation; it comes again, as clients do. A publish that is refused is
published again, as a new message: the refused one may have reached somebody.
"""

import asyncio
import time

import mqtt_wire as wire
from crash.client import Client
from crash.publisher import Publisher
from crash.subscriber import Subscriber
from crash.wills import WillClient

UNAVAILABLE_V3 = 3  # CONNACK of MQTT 3.1.1: Server unavailable
EXCUSED = frozenset({
    UNAVAILABLE_V3,
    0x88,  # the node of the session cannot be reached
    0x89,  # a node that stood still sheds connections when it goes on
    0x8B,  # it stops
    0x8D,  # it stood still, or packets were lost, for longer than the keep alive allows
    0x97,  # what was promised could not be kept
    0x9C,  # the session moves
})
KEEP_ALIVE_SECONDS = 8
SILENCE_SECONDS = 2.0    # then it is asked whether it is still there
PATIENCE_SECONDS = 5.0   # then another node is tried
PAUSE_SECONDS = 0.1      # between two tries


class ClusterClient(Client):
    """Base of all kinds; comes before the crash test's own class."""

    excused = EXCUSED

    def __init__(self, *arguments, **fields):
        super().__init__(*arguments, **fields)
        self.heard, self.asked_at = 0.0, None
        self.turned_away = False

    def connect_fields(self):
        return {**super().connect_fields(), "keep_alive": KEEP_ALIVE_SECONDS}

    async def dial(self):
        if self.turned_away:
            await asyncio.sleep(PAUSE_SECONDS)
        self.turned_away, self.heard, self.asked_at = True, time.monotonic(), None
        return await super().dial()

    def on_packet(self, packet):
        self.heard, self.asked_at = time.monotonic(), None
        if packet.kind != wire.PINGRESP or not self.served:
            super().on_packet(packet)

    def on_connack(self, packet):
        if self.established and not packet.session_present and not self.clean and self.world.may_forget(self.name):
            self.on_forgotten()
            self.established = False
        self.turned_away = False
        super().on_connack(packet)
        for former in self.world.formers:
            if former.name == self.name:
                former.ask()

    def on_forgotten(self):
        """The session lived on a disk that is no more."""

    def supersede(self, old):
        if self.asked_at is not None:
            return super().supersede(old)  # the answer that is due could be taken for a later one
        old.owner = Former(self.world, self.name, old)
        self.world.formers.add(old.owner)
        return None

    def look(self, now):
        """Called now and then: is anybody there?"""
        if self.link is None or not self.link.transport or not self.link.transport.is_reading():
            self.heard = now
        elif now - self.heard > PATIENCE_SECONDS:
            self.offline()
        elif self.served and now - self.heard > SILENCE_SECONDS and self.asked_at is None:
            self.asked_at = now
            self.send(wire.pingreq())


class Former:
    """The old connection of a client id that has a new one. When the new one has its CONNACK this one must be dead."""

    def __init__(self, world, name, link):
        self.world, self.name, self.link = world, name, link
        self.asked = False

    def ask(self):
        if not self.asked:
            self.asked = True
            self.link.send(wire.pingreq())

    def on_packet(self, packet):
        if packet.kind == wire.PINGRESP and self.asked:
            self.world.history.problem("two", f"{self.name}: a connection is served although a later one has its CONNACK")
            self.link.drop()
            self.on_lost()

    def on_lost(self):
        self.world.formers.discard(self)


class ClusterPublisher(ClusterClient, Publisher):
    def __init__(self, *arguments, **fields):
        super().__init__(*arguments, **fields)
        self.items = {}  # sequence -> plan.Item, of those under way
        self.refused = 0
        self.not_before = 0.0

    def publish(self, item):
        if item.qos:
            self.items[self.sequence + 1] = item
        super().publish(item)

    def pump(self):
        wait = self.not_before - time.monotonic()
        if wait <= 0:
            super().pump()

    def finish(self, packet, qos):
        message, _ = self.open.get(packet.packet_id, (None, None))
        if packet.reason in self.excused and message is not None and message.qos == qos:
            del self.open[packet.packet_id]
            self.refused += 1
            self.again(message)
            self.not_before = time.monotonic() + PAUSE_SECONDS
            asyncio.get_running_loop().call_later(PAUSE_SECONDS * 1.1, self.pump)
            return False
        if message is not None:
            self.items.pop(message.sequence, None)
        return super().finish(packet, qos)

    def again(self, message):
        self.plan.appendleft(self.items.pop(message.sequence))

    def on_resumed(self, packet):
        """What is sent again now may have been refused for a node that was away, before the client could be told; what it has sent
        since went through."""
        if not self.world.calm:
            for message, _ in self.open.values():
                message.unordered = True
        super().on_resumed(packet)

    def on_forgotten(self):
        """Nobody knows what of it was taken, and a QoS 2 message must not come twice."""
        for message, _ in self.open.values():
            self.again(message)
        self.open.clear()


class ClusterSubscriber(ClusterClient, Subscriber):
    def on_answer(self, packet):
        """A SUBSCRIBE that was refused is sent again."""
        if packet.kind == wire.SUBACK and any(code in self.excused for code in packet.codes):
            self.asked.pop(packet.packet_id, None)
            asyncio.get_running_loop().call_later(PAUSE_SECONDS, self.reconcile)
            return
        super().on_answer(packet)

    def on_forgotten(self):
        for subscription in self.confirmed.values():
            self.history.leaving(subscription)
            self.history.left(subscription, replaced=True)


class ClusterWillClient(ClusterClient, WillClient):
    """A will's fate is certain only while nothing is wrong: a will has one chance, and nobody asks again."""

    def __init__(self, *arguments, **fields):
        super().__init__(*arguments, **fields)
        self.left_calmly = False

    def leave(self):
        if self.served and not self.leaving:
            self.left_calmly = self.world.calm
        super().leave()

    def must_fire(self, since, why):
        if self.world.calm:
            super().must_fire(since, why)
        else:
            self.current.earliest, self.current.why = since + self.delay, why

    def on_lost(self):
        if self.served and self.leaving:
            if self.left_calmly and self.world.calm:
                self.current.fate, self.current.why = "never", "DISCONNECT 0x00, and the broker had closed the connection"
        elif self.served and self.world.calm:
            self.must_fire(time.monotonic(), "the connection was lost")
        elif self.served:
            self.current.why = "the connection was lost"  # the session's node may have known for long
        Client.on_lost(self)
