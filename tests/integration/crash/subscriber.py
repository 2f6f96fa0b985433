"""A subscriber: receives exactly as the standard demands, with a window, a pace and moods of its own."""

import asyncio
import time

import mqtt_wire as wire
from crash.client import Client
from crash.payload import read_payload

WILL_TOPICS = "w/"
FENCE_TOPIC = "fence"


class Subscriber(Client):
    """`filters` (filter -> QoS) is what it wants; it subscribes and unsubscribes until that is so. `group`: all but the fence comes
    by shared subscriptions, and is booked on a session that stands for the group."""

    def __init__(self, world, name, version, filters, receive_maximum=65535, ack_delay=0.0, group=None):
        super().__init__(world, name, version)
        self.group = group
        self.filters = dict(filters)
        self.receive_maximum, self.ack_delay = (receive_maximum if version >= 5 else 65535), ack_delay
        self.confirmed = {}  # filter -> Subscription
        self.asked = {}      # packet identifier -> ("subscribe" | "unsubscribe", [filter])
        self.first_asked = {}  # filter -> (when, QoS): SUBSCRIBE went out, SUBACK did not come; it may have been heard
        self.next_id = 0
        self.taken = {}      # QoS 2, not released: packet identifier -> payload
        self.unfinished = set()  # packet identifiers on this connection that count against the Receive Maximum
        self.acks = []

    def connect_fields(self):
        if self.clean:
            for subscription in self.confirmed.values():
                self.history.leaving(subscription)
        limited = self.version >= 5 and self.receive_maximum < 65535
        return {"props": [(wire.RECEIVE_MAXIMUM, self.receive_maximum)] if limited else []}

    def on_session_gone(self):
        self.taken.clear()
        for subscription in self.confirmed.values() if self.clean else ():
            self.history.left(subscription, replaced=True)
        self.confirmed.clear()
        self.first_asked.clear()

    def on_resumed(self, packet):
        self.reconcile()

    def on_offline(self):
        self.asked.clear()
        self.acks.clear()
        self.unfinished.clear()

    # --- subscriptions -------------------------------------------------------------------------------------------------

    def want(self, filter_, qos):
        """A filter more; None: the filter no longer."""
        if qos is None:
            self.filters.pop(filter_, None)
        else:
            self.filters[filter_] = qos
        self.reconcile()

    def start_anew(self):
        """Gives the session up for a new one, however long it takes to get it."""
        self.clean = True
        self.offline()

    def settled(self):
        return set(self.filters) == set(self.confirmed) and not self.asked and not self.first_asked

    def reconcile(self):
        if not self.served or self.asked:
            return
        # What may be subscribed is made sure of first, also when it is no longer wanted.
        more = [name for name in {**self.first_asked, **self.filters} if name not in self.confirmed]
        less = [name for name in self.confirmed if name not in self.filters]
        self.next_id = self.next_id % 65535 + 1
        if more:
            for name in more:
                self.first_asked.setdefault(name, (self.history.tick(), self.filters.get(name)))
            self.asked[self.next_id] = "subscribe", more
            # Retain handling 2: nothing that is retained comes, only what is published.
            handling = 2 if self.version >= 5 else 0
            options = [(name, wire.options(self.first_asked[name][1], retain_handling=handling)) for name in more]
            self.send(wire.subscribe(self.version, self.next_id, options))
        elif less:
            self.asked[self.next_id] = "unsubscribe", less
            for name in less:
                self.history.leaving(self.confirmed[name])
            self.send(wire.unsubscribe(self.version, self.next_id, less))

    def on_answer(self, packet):
        what, names = self.asked.pop(packet.packet_id, ("", []))
        if what != ("subscribe" if packet.kind == wire.SUBACK else "unsubscribe"):
            self.history.problem("strange", f"{self.name}: {wire.NAMES[packet.kind]} {packet.packet_id} for nothing")
            return
        for index, name in enumerate(names):
            if what == "unsubscribe":
                self.history.left(self.confirmed.pop(name))
                continue
            if packet.codes[index] >= 0x80:
                self.history.problem("refused", f"{self.name}: SUBACK {packet.codes[index]:#04x} for {name}")
            session, filter_ = self.booked(name)
            asked, _ = self.first_asked.pop(name)
            self.confirmed[name] = self.history.subscribed(session, filter_, packet.codes[index], asked)
        self.reconcile()

    def booked(self, filter_):
        """On which session a filter's messages are booked, and under which filter."""
        if self.group is None or not filter_.startswith(self.group):
            return self.name, filter_
        return self.group, filter_[len(self.group) + 1:]

    # --- messages ------------------------------------------------------------------------------------------------------

    def on_message(self, packet):
        if packet.kind == wire.PUBLISH:
            self.on_publish(packet)
        elif packet.kind == wire.PUBREL:
            self.taken.pop(packet.packet_id, None)
            self.answer(wire.PUBCOMP, packet.packet_id)
        elif packet.kind in (wire.SUBACK, wire.UNSUBACK):
            self.on_answer(packet)
        else:
            self.history.problem("strange", f"{self.name}: {wire.NAMES[packet.kind]} to a subscriber")

    def on_publish(self, packet):
        if packet.qos:
            self.unfinished.add(packet.packet_id)
            if len(self.unfinished) > self.receive_maximum:
                self.history.problem("window", f"{self.name}: {len(self.unfinished)} PUBLISH, allowed {self.receive_maximum}")
        if packet.qos < 2:
            self.deliver(packet)
            if packet.qos:
                self.answer(wire.PUBACK, packet.packet_id)
            return
        before = self.taken.get(packet.packet_id)
        if before is None:
            self.taken[packet.packet_id] = packet.payload
            self.deliver(packet)
        elif before != packet.payload or not packet.dup:
            self.history.problem("identifier", f"{self.name}: packet identifier {packet.packet_id} is in use for {before[:20]}, "
                                               f"came again {'with' if packet.dup else 'without'} DUP for {packet.payload[:20]}")
        self.answer(wire.PUBREC, packet.packet_id)

    def deliver(self, packet):
        key = read_payload(packet.payload)
        if key is None:
            self.history.problem("strange", f"{self.name}: a payload nobody sent to {packet.topic}: {packet.payload[:60]}")
        elif packet.topic.startswith(WILL_TOPICS):
            self.history.fired(self.name, *key, time.monotonic())
        else:
            session = self.name if self.group is None or packet.topic == FENCE_TOPIC else self.group
            self.history.delivered(session, *key, packet.topic, packet.qos)

    def answer(self, kind, packet_id):
        """Acknowledges, in the order in which the messages came."""
        self.acks.append((kind, packet_id))
        if not self.ack_delay:
            self.acknowledge(self.link)
        elif len(self.acks) == 1:
            asyncio.get_running_loop().call_later(self.ack_delay, self.acknowledge, self.link)

    def acknowledge(self, link):
        if link is None or link is not self.link:
            return
        for kind, packet_id in self.acks:
            if kind != wire.PUBREC:
                self.unfinished.discard(packet_id)
            self.send(wire.ack(self.version, kind, packet_id))
        self.acks.clear()
