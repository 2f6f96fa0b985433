"""What the clients of a crash test did and saw.

Every entry has a place in one order (`tick`): the clients run in one thread, so an entry with a higher number happened after one
with a lower number. Times are those of time.monotonic(), in seconds.
"""

import itertools
from dataclasses import dataclass, field
from typing import NamedTuple


@dataclass
class Publish:
    """A message: first sent at `sent`; `acked` when PUBACK or PUBREC came for it. `unordered`: its place among the others is not
    promised."""

    publisher: str
    sequence: int
    topic: str
    qos: int
    retain: bool = False
    deletes: bool = False  # retained with an empty payload
    sent: int = 0
    acked: int | None = None
    unordered: bool = False


@dataclass
class Subscription:
    """A filter of a durable session: asked for with SUBSCRIBE, there since SUBACK, until UNSUBSCRIBE was sent and UNSUBACK came;
    or, when the session was `replaced`, until CONNECT with Clean Start was sent and CONNACK came."""

    session: str
    filter: str
    qos: int
    asked: int
    since: int
    leaving: int | None = None
    left: int | None = None
    replaced: bool = False


class Delivery(NamedTuple):
    """A message that was given to the subscriber's application."""

    publisher: str
    sequence: int
    topic: str
    qos: int
    at: int


@dataclass
class Probe:
    """What is retained: asked for at `begun`, complete at `ended`; topic -> (publisher, sequence)."""

    begun: int
    ended: int
    found: dict


@dataclass
class Will:
    """A will that CONNECT announced. `fate`: "must", "never" or "may" fire; not before the time `earliest`."""

    client: str
    number: int
    fate: str = "may"
    earliest: float = 0.0
    why: str = ""


class Firing(NamedTuple):
    client: str
    number: int
    time: float


@dataclass
class History:
    """The books of one data directory. The clients write, the checker reads."""

    publishes: dict = field(default_factory=dict)  # (publisher, sequence) -> Publish
    subscriptions: list = field(default_factory=list)
    deliveries: dict = field(default_factory=dict)  # session -> [Delivery]
    probes: list = field(default_factory=list)
    wills: dict = field(default_factory=dict)  # (client, number) -> Will
    firings: dict = field(default_factory=dict)  # watching session -> [Firing]
    problems: list = field(default_factory=list)  # (kind, text): what a client itself saw to be wrong
    progress: int = 0
    _ticks: itertools.count = field(default_factory=lambda: itertools.count(1))

    def tick(self):
        return next(self._ticks)

    def sent(self, publisher, sequence, topic, qos, retain=False, deletes=False):
        message = Publish(publisher, sequence, topic, qos, retain, deletes, self.tick())
        self.publishes[publisher, sequence] = message
        return message

    def acked(self, message):
        if message.acked is None:
            message.acked = self.tick()
            self.progress += 1

    def subscribed(self, session, filter_, qos, asked):
        """SUBACK came. A filter that is there already keeps its first one."""
        for known in self.subscriptions:
            if (known.session, known.filter, known.left) == (session, filter_, None):
                return known
        self.subscriptions.append(Subscription(session, filter_, qos, asked, self.tick()))
        return self.subscriptions[-1]

    def leaving(self, subscription):
        subscription.leaving = subscription.leaving or self.tick()

    def left(self, subscription, replaced=False):
        subscription.left, subscription.replaced = self.tick(), replaced

    def delivered(self, session, publisher, sequence, topic, qos):
        self.deliveries.setdefault(session, []).append(Delivery(publisher, sequence, topic, qos, self.tick()))
        self.progress += 1

    def watching(self, session):
        """The session has a subscription for all wills, from before the first one."""
        self.firings.setdefault(session, [])

    def announced(self, client, number):
        will = self.wills[client, number] = Will(client, number)
        return will

    def fired(self, session, client, number, time):
        self.firings[session].append(Firing(client, number, time))
        self.progress += 1

    def probed(self, begun, found):
        self.probes.append(Probe(begun, self.tick(), found))

    def problem(self, kind, text):
        self.problems.append((kind, text))
