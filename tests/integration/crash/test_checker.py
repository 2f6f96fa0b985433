"""The checker finds each kind of violation in a history that has it, and none in one that has not."""

import pytest

from crash.checker import check, matches, missing, overdue_wills
from crash.history import History
from crash.payload import make_payload, read_payload


class Story:
    """Writes a history in a few words. Messages of publisher p are numbered from 1."""

    def __init__(self):
        self.history = History()
        self.number = 0
        self.subscriptions = {}

    def subscribe(self, session="s", filter_="t/#", qos=2):
        self.subscriptions[session, filter_] = self.history.subscribed(session, filter_, qos, self.history.tick())
        return self

    def replace(self, session="s", filter_="t/#"):
        """A clean start."""
        self.history.leaving(self.subscriptions[session, filter_])
        self.history.left(self.subscriptions[session, filter_], replaced=True)
        return self

    def unsubscribe(self, session="s", filter_="t/#", answered=True):
        self.history.leaving(self.subscriptions[session, filter_])
        if answered:
            self.history.left(self.subscriptions[session, filter_])
        return self

    def send(self, qos=2, topic="t/a", acked=True, publisher="p", **fields):
        self.number += 1
        message = self.history.sent(publisher, self.number, topic, qos, **fields)
        if acked:
            self.history.acked(message)
        return self

    def overtaken(self):
        """The place of the message sent last does not count."""
        self.history.publishes["p", self.number].unordered = True
        return self

    def keep(self, topic="r/a", acked=True, deletes=False):
        return self.send(1, topic, acked, retain=True, deletes=deletes)

    def come(self, *numbers, session="s", topic="t/a", qos=2, publisher="p"):
        for number in numbers:
            self.history.delivered(session, publisher, number, topic, qos)
        return self

    def probe(self, found=None, topic="r/a"):
        self.history.probed(self.history.tick(), {topic: ("p", found)} if found else {})
        return self

    def announce(self, number=1, fate="must", earliest=10.0):
        will = self.history.announced("c", number)
        will.fate, will.earliest = fate, earliest
        self.history.watching("s")
        return self

    def fire(self, number=1, time=11.0, session="s"):
        self.history.fired(session, "c", number, time)
        return self

    def kinds(self, drained=True):
        return [violation.kind for violation in check(self.history, drained)]


GOOD = {
    "nothing": Story(),
    "all came": Story().subscribe().send().send().come(1, 2),
    "QoS 1 twice": Story().subscribe().send(qos=1).come(1, 1, qos=1),
    "QoS 2 message twice to a QoS 1 subscription": Story().subscribe(qos=1).send().come(1, 1, qos=1),
    "QoS 1 again after a later one": Story().subscribe().send(qos=1).send(qos=1).come(1, 2, 1, qos=1),
    "nobody subscribed": Story().send(),
    "sent before SUBACK, did not come": Story().send().subscribe(),
    "sent before SUBSCRIBE, came": Story().send(acked=False).subscribe().come(1),
    "not acknowledged, did not come": Story().subscribe().send(acked=False),
    "not acknowledged, came": Story().subscribe().send(acked=False).come(1),
    "QoS 0 did not come": Story().subscribe().send(qos=0),
    "unsubscribed before it was sent": Story().subscribe().unsubscribe().send(),
    "sent before UNSUBACK, came": Story().subscribe().unsubscribe(answered=False).send().come(1),
    "sent before UNSUBSCRIBE, dropped": Story().subscribe().send().unsubscribe(),
    "subscribed again": Story().subscribe().unsubscribe().subscribe().send().come(1),
    "sent before UNSUBACK, came after": Story().subscribe().send().unsubscribe().come(1),
    "replaced, did not come": Story().subscribe().send().replace().subscribe(),
    "replaced, under way meanwhile": Story().subscribe().send(acked=False).replace().subscribe().come(1),
    "repeated after a later one that was subscribed": Story().send(acked=False).subscribe().send().come(2, 1),
    "repeated to the new session after a later one": Story().subscribe().send(acked=False).replace().subscribe().send().come(2, 1),
    "sent again where no order is promised": Story().subscribe().send().overtaken().send().come(2, 1),
    "members overtake each other": Story().subscribe("$share/g").send().send().come(2, 1, session="$share/g"),
    "publishers interleave": Story().subscribe().send().send(publisher="q").come(2, publisher="q").come(1),
    "topics interleave": Story().subscribe().send().send(topic="t/b").come(2, topic="t/b").come(1),
    "retained": Story().keep().keep().probe(2),
    "retained, the last one not acknowledged": Story().keep().keep(acked=False).probe(1),
    "retained, not acknowledged but there": Story().keep().keep(acked=False).probe(2),
    "never retained": Story().probe(),
    "the first one not acknowledged": Story().keep(acked=False).probe(),
    "deleted": Story().keep().keep(deletes=True).probe(),
    "deletion not acknowledged": Story().keep().keep(deletes=True, acked=False).probe(1),
    "deletion not acknowledged but done": Story().keep().keep(deletes=True, acked=False).probe(),
    "written again": Story().keep().keep(deletes=True).keep().probe(3),
    "will fired": Story().announce().fire(),
    "will did not fire": Story().announce(fate="never"),
    "will may fire": Story().announce(fate="may").fire(),
    "will may not fire": Story().announce(fate="may"),
}

BAD = {
    "lost": (Story().subscribe().send().send().come(1), ["lost"]),
    "lost, QoS 1": (Story().subscribe().send(qos=1), ["lost"]),
    "lost for one of two": (Story().subscribe().subscribe("u").send().come(1), ["lost"]),
    "all lost": (Story().subscribe().send().send(), ["lost", "lost"]),
    "lost after subscribing again": (Story().subscribe().unsubscribe().subscribe().send(), ["lost"]),
    "QoS 2 twice": (Story().subscribe().send().come(1, 1), ["duplicate"]),
    "QoS 2 three times": (Story().subscribe().send().come(1, 1, 1), ["duplicate"]),
    "QoS 2 again much later": (Story().subscribe().send().send().come(1, 2, 1), ["duplicate"]),
    "QoS 0 twice": (Story().subscribe().send(qos=0).come(1, 1, qos=0), ["duplicate"]),
    "out of order": (Story().subscribe().send().send().come(2, 1), ["order"]),
    "out of order, QoS 1": (Story().subscribe(qos=1).send(qos=1).send(qos=1).come(2, 1, 1, qos=1), ["order"]),
    "out of order across QoS": (Story().subscribe().send(qos=1).send(qos=2).come(2).come(1, qos=1), ["order"]),
    "out of order in the new session": (Story().subscribe().replace().subscribe().send().send().come(2, 1), ["order"]),
    "out of order among those whose place counts": (Story().subscribe().send().overtaken().send().send().come(1, 3, 2), ["order"]),
    "one of three out of order": (Story().subscribe().send().send().send().come(1, 3, 2), ["order"]),
    "never sent": (Story().subscribe().come(7), ["strange"]),
    "another topic": (Story().subscribe().send().come(1, topic="t/b"), ["strange"]),
    "higher QoS": (Story().subscribe(qos=1).send().come(1, qos=2), ["strange"]),
    "lower QoS": (Story().subscribe().send().come(1, qos=1), ["strange"]),
    "never subscribed": (Story().send().come(1), ["strange"]),
    "another filter": (Story().subscribe(filter_="u").send().come(1), ["strange"]),
    "after UNSUBACK": (Story().subscribe().unsubscribe().send().come(1), ["unsubscribed"]),
    "before the clean start": (Story().subscribe().send().replace().subscribe().come(1), ["unsubscribed"]),
    "after the clean start": (Story().subscribe().replace().send().come(1), ["unsubscribed"]),
    "before SUBSCRIBE": (Story().send().subscribe().come(1), ["unsubscribed"]),
    "both members got it": (Story().subscribe("$share/g").send().come(1, 1, session="$share/g"), ["duplicate"]),
    "no member got it": (Story().subscribe("$share/g").send(), ["lost"]),
    "retained is gone": (Story().keep().probe(), ["retained"]),
    "retained is old": (Story().keep().keep().probe(1), ["retained"]),
    "retained was never written": (Story().keep().probe(9), ["retained"]),
    "retained without a write": (Story().probe(1), ["retained"]),
    "deleted one is back": (Story().keep().keep(deletes=True).probe(1), ["retained"]),
    "deleted one is back later": (Story().keep().keep(deletes=True).probe().probe(1), ["retained"]),
    "written again is gone": (Story().keep().keep(deletes=True).keep().probe(), ["retained"]),
    "older than the last acknowledged": (Story().keep().keep().keep(acked=False).probe(1), ["retained"]),
    "will did not fire": (Story().announce(), ["will"]),
    "will fired twice": (Story().announce().fire().fire(), ["will"]),
    "will fired after DISCONNECT": (Story().announce(fate="never").fire(), ["will"]),
    "will fired too early": (Story().announce().fire(time=9.0), ["will"]),
    "will may fire, but not twice": (Story().announce(fate="may").fire().fire(), ["will"]),
    "will of nobody": (Story().announce().fire().fire(2), ["will"]),
}


@pytest.mark.parametrize("name", GOOD)
def test_good_history(name):
    assert GOOD[name].kinds() == []


@pytest.mark.parametrize("name", BAD)
def test_bad_history(name):
    story, kinds = BAD[name]
    assert story.kinds() == kinds


def test_what_is_not_drained_may_still_come():
    story = Story().subscribe().send().announce()
    assert story.kinds(drained=False) == []
    assert missing(story.history) == {"s": {("p", 1)}}
    assert overdue_wills(story.history) == {"s": {("c", 1)}}
    assert sorted(story.kinds()) == ["lost", "will"]


def test_what_a_client_saw_counts():
    story = Story()
    story.history.problem("session", "c: the session is gone")
    assert story.kinds() == ["session"]


def test_a_second_suback_does_not_restart_a_subscription():
    assert Story().subscribe().send().subscribe().kinds() == ["lost"]


def test_a_second_ack_does_not_count():
    history = Story().send().history
    before = history.publishes["p", 1].acked
    history.acked(history.publishes["p", 1])
    assert history.publishes["p", 1].acked == before


@pytest.mark.parametrize("filter_, topic, matched", [
    ("a/b", "a/b", True), ("a/b", "a", False), ("a", "a/b", False), ("a/+", "a/b", True), ("a/+", "a/b/c", False), ("a/+", "a", False),
    ("+", "a", True), ("#", "a/b/c", True), ("a/#", "a", True), ("a/#", "a/b/c", True), ("a/#", "ab", False), ("+/b", "a/b", True),
    ("#", "$SYS/a", False), ("+/a", "$SYS/a", False), ("$SYS/#", "$SYS/a", True), ("a/+/c", "a//c", True),
])
def test_matching(filter_, topic, matched):
    assert matches(filter_, topic) is matched


def test_payloads():
    assert read_payload(make_payload("p1", 7, 30)) == ("p1", 7)
    assert read_payload(make_payload("p1", 7, 0)) == ("p1", 7)
    for wrong in (make_payload("p1", 7, 30)[:-1], make_payload("p1", 7, 30) + b"x", b"", b"p1 7", b"p1 x 0 ",
                  make_payload("p1", 7, 30).replace(b"h", b"i")):
        assert read_payload(wrong) is None
