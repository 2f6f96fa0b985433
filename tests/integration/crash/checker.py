"""What must hold of a crash test's history. Pure: a history in, a list of violations out.

The kinds of violations, by the promise they break:

    lost          an acknowledged message did not reach a durable session that had its SUBACK before the message was sent
    duplicate     a message came to an application more than once although QoS 2 was promised (or was sent with QoS 0)
    order         messages of a publisher and a topic came for the first time in another order than they were sent in
    strange       a message that nobody sent so: wrong topic, wrong QoS, no subscription
    unsubscribed  a message was sent after UNSUBACK, or before a clean start, and came all the same
    retained      what is retained is older than the last acknowledged write, or was never written
    will          a will fired twice, too early, not at all, or although it must not

and those that the clients report themselves (`History.problem`):

    session       a durable session was gone
    identifier    a packet identifier was used for a second message before the first one was finished
    window        more messages under way than the Receive Maximum allows
    refused       the broker refused what it should take
    broker        the broker did not start, stop or answer
    stuck         nothing goes on any more
"""

import functools
from collections import Counter, defaultdict
from typing import NamedTuple

SHARED = "$share/"  # how the names of sessions begin that stand for all members of a group
EARLY_SECONDS = 0.05  # how much two clocks' rounding may differ


class Violation(NamedTuple):
    kind: str
    text: str


@functools.lru_cache(maxsize=None)
def matches(filter_, topic):
    """Whether a topic filter without `$share` matches a topic."""
    wanted, levels = filter_.split("/"), topic.split("/")
    if topic.startswith("$") and wanted[0] in ("+", "#"):
        return False
    for index, level in enumerate(wanted):
        if level == "#":
            return True
        if index >= len(levels) or level not in ("+", levels[index]):
            return False
    return len(wanted) == len(levels)


def by_session(history):
    sessions = defaultdict(list)
    for subscription in history.subscriptions:
        sessions[subscription.session].append(subscription)
    return sessions


def by_topic(history):
    """Topic -> the acknowledged messages of QoS 1 and 2."""
    topics = defaultdict(list)
    for message in history.publishes.values():
        if message.qos and message.acked is not None:
            topics[message.topic].append(message)
    return topics


def owed(topics, subscriptions):
    """The messages that a session with these subscriptions must get, at the latest when everything has been drained."""
    found = set()
    for item in subscriptions:
        if item.leaving is not None or not item.qos:
            continue
        for topic, messages in topics.items():
            if matches(item.filter, topic):
                found.update((message.publisher, message.sequence) for message in messages if item.since < message.sent)
    return found


def missing(history):
    """Session -> messages that have not come although they are owed."""
    found, topics = {}, by_topic(history)
    for session, subscriptions in by_session(history).items():
        came = {(item.publisher, item.sequence) for item in history.deliveries.get(session, ())}
        rest = owed(topics, subscriptions) - came
        if rest:
            found[session] = rest
    return found


def check(history, drained=True):
    """All violations. Not drained: what has not come yet may still come."""
    found = [Violation(*problem) for problem in history.problems]
    if drained:
        found += check_reached(history)
    found += check_deliveries(history)
    found += check_order(history)
    found += check_retained(history)
    found += check_wills(history, drained)
    return found


def check_reached(history):
    return [Violation("lost", f"{session}: {publisher} {sequence}, {describe(history.publishes[publisher, sequence])}")
            for session, keys in missing(history).items() for publisher, sequence in sorted(keys)]


def describe(message):
    return f"QoS {message.qos} to {message.topic}, sent at {message.sent}, acknowledged at {message.acked}"


def check_deliveries(history):
    """Everything that came was sent, to a subscription that was there, and no oftener than its QoS allows."""
    found = []
    sessions = by_session(history)
    for session, deliveries in history.deliveries.items():
        times = Counter((item.publisher, item.sequence) for item in deliveries)
        for item in deliveries:
            violation = check_delivery(history, sessions[session], item, times)
            if violation:
                found.append(Violation(violation[0], f"{session}: {item.publisher} {item.sequence}, {violation[1]}"))
    return found


def check_delivery(history, subscriptions, item, times):
    message = history.publishes.get((item.publisher, item.sequence))
    if message is None:
        return "strange", f"never sent; came to {item.topic} at {item.at}"
    if message.topic != item.topic:
        return "strange", f"came to {item.topic}; {describe(message)}"
    fitting = [entry for entry in subscriptions if matches(entry.filter, item.topic)]
    if not fitting:
        return "strange", f"no subscription; {describe(message)}"
    if item.qos not in {min(message.qos, entry.qos) for entry in fitting}:
        return "strange", f"came with QoS {item.qos}; {describe(message)}"
    if not any(may_bring(entry, message, item) for entry in fitting):
        return "unsubscribed", describe(message)
    key = item.publisher, item.sequence
    if item.qos != 1 and times[key] > 1:
        count, times[key] = times[key], 1  # told once
        return "duplicate", f"came {count} times with QoS {item.qos}; {describe(message)}"
    return None


def may_bring(subscription, message, item):
    """Whether the message can have come by this subscription."""
    if message.acked is not None and message.acked < subscription.asked:
        return False
    if subscription.left is None:
        return True
    return message.sent < subscription.left and (item.at < subscription.left or not subscription.replaced)


def check_order(history):
    """First occurrences, per session, publisher and topic. The members of a shared subscription may overtake each other. A message
    that was sent before SUBACK may have been handled before the subscription was there, and again, later, when it was repeated."""
    found, sessions = [], by_session(history)
    for session, deliveries in history.deliveries.items():
        if session.startswith(SHARED):
            continue
        seen, last = set(), {}
        for item in deliveries:
            key, stream = (item.publisher, item.sequence), (item.publisher, item.topic)
            if key in seen or item.qos == 0 or not subscribed_before(history.publishes.get(key), sessions[session], item.at):
                continue
            seen.add(key)
            if item.sequence < last.get(stream, 0):
                found.append(Violation("order", f"{session}: {item.publisher} {item.sequence} to {item.topic} "
                                                f"came after {last[stream]}, at {item.at}"))
            last[stream] = max(item.sequence, last.get(stream, 0))
    return found


def subscribed_before(message, subscriptions, at):
    """Whether a subscription that was there before the message was sent is still there when it comes, at `at`; and its place counts."""
    return message is not None and not message.unordered and any(
        item.since < message.sent and (item.left is None or at < item.left) and matches(item.filter, message.topic)
        for item in subscriptions)


def check_retained(history):
    """Every probe shows, for each topic, the last acknowledged write or one that was sent after it."""
    writes = defaultdict(list)
    for message in history.publishes.values():
        if message.retain:
            writes[message.topic].append(message)
    found = []
    for probe in history.probes:
        for topic in sorted(set(writes) | set(probe.found)):
            text = check_topic(writes.get(topic, []), probe, probe.found.get(topic))
            if text:
                found.append(Violation("retained", f"{topic}: {text} (asked at {probe.begun})"))
    return found


def check_topic(writes, probe, found):
    known = [write for write in writes if write.sent < probe.ended]
    first = max((index for index, write in enumerate(known) if write.acked is not None and write.acked < probe.begun), default=-1)
    allowed = known[max(first, 0):]
    if found is None:
        if first == -1 or any(write.deletes for write in allowed):
            return None
        return f"nothing is retained; {known[first].publisher} {known[first].sequence} was acknowledged"
    if any((write.publisher, write.sequence) == found and not write.deletes for write in allowed):
        return None
    if first >= 0 and known[first].deletes:
        return f"{found} is back; its deletion {known[first].sequence} was acknowledged"
    return f"{found} is retained; allowed are {[write.sequence for write in allowed]}"


def check_wills(history, drained):
    found = []
    for session, firings in history.firings.items():
        times = Counter((item.client, item.number) for item in firings)
        for item in firings:
            will = history.wills.get((item.client, item.number))
            text = check_firing(will, item, times)
            if text:
                found.append(Violation("will", f"{session}: {item.client} {item.number} {text}"))
    return found + (check_wills_fired(history) if drained else [])


def check_firing(will, item, times):
    if will is None:
        return "was never announced"
    if will.fate == "never":
        return f"fired, but must not: {will.why}"
    if item.time < will.earliest - EARLY_SECONDS:
        return f"fired {will.earliest - item.time:.3f} s too early: {will.why}"
    if times[item.client, item.number] > 1:
        times[item.client, item.number] = 1  # told once
        return f"fired more than once: {will.why}"
    return None


def overdue_wills(history):
    """Watching session -> wills that must fire and have not been seen."""
    must = {key for key, will in history.wills.items() if will.fate == "must"}
    rest = {session: must - {(item.client, item.number) for item in firings} for session, firings in history.firings.items()}
    return {session: keys for session, keys in rest.items() if keys}


def check_wills_fired(history):
    return [Violation("will", f"{session}: {client} {number} has not fired: {history.wills[client, number].why}")
            for session, keys in overdue_wills(history).items() for client, number in sorted(keys)]
