"""Everything of a crash test that is drawn from the seed: who takes part, what is published, when the broker dies."""

from typing import NamedTuple

from crash.checker import matches
from crash.publisher import Publisher
from crash.subscriber import FENCE_TOPIC, Subscriber
from crash.wills import WillClient

PUBLISHERS, SUBSCRIBERS, RETAINERS, WILL_CLIENTS = 5, 10, 2, 4
MEMBERS, CROWD = 2, 60  # of a shared subscription; many, so that some share a partition and with it the messages' bodies
AREAS, PLACES, EXTRAS = 4, 4, 4
MOODS = ("steady", "flapping", "asleep", "stopping", "taking over", "undecided", "forgetful")
GROUP = "$share/g"


class Item(NamedTuple):
    """What a publisher is to send next."""

    topic: str
    qos: int
    size: int = 20
    retain: bool = False
    deletes: bool = False


def make_publishers(world, rng, kind=Publisher):
    made = [kind(world, f"p{index}", rng.choice((4, 5, 5)), window=rng.choice((1, 10, 50, 200)), lowest_id=rng.random() < 0.5)
            for index in range(PUBLISHERS)]
    for publisher in made:
        publisher.topics = [f"m/{rng.randrange(AREAS)}/{rng.randrange(PLACES)}" for _ in range(4)]
        publisher.topics.append(f"x/{rng.randrange(EXTRAS)}")
        publisher.restless = rng.random() < 0.3
    return made


def make_retainers(world, rng, kind=Publisher):
    """One writer a topic, and one QoS a topic, so that there is a last write."""
    return [kind(world, f"r{index}", rng.choice((4, 5)), window=rng.choice((1, 20)), lowest_id=True) for index in range(RETAINERS)]


def draw_filters(rng, style):
    """Filters that no topic matches twice: how often a message comes for overlapping ones is the broker's choice."""
    if style == 0:
        return {"m/#": 2}
    if style == 1:
        return {f"m/+/{place}": rng.choice((1, 2)) for place in rng.sample(range(PLACES), 2)}
    if style == 2:
        return {f"m/{area}/#": rng.choice((1, 2)) for area in rng.sample(range(AREAS), 2)}
    return {f"m/{rng.randrange(AREAS)}/{place}": rng.choice((1, 2)) for place in range(PLACES)}


def make_subscribers(world, rng, kind=Subscriber, crowd=CROWD):
    made = []
    for index in range(SUBSCRIBERS):
        filters = {**draw_filters(rng, index % 4), FENCE_TOPIC: 2}
        if index < 2:
            filters["w/#"] = 2
        window = rng.choice((1, 5, 20, 65535))
        made.append(kind(world, f"s{index}", rng.choice((4, 5, 5)), filters, window,
                               ack_delay=rng.choice((0, 0.001, 0.01)) if window >= 20 else 0))
        made[-1].mood = MOODS[index % len(MOODS)]
        if made[-1].mood == "forgetful":
            made[-1].version = 5  # a clean start of 3.1.1 would make a session that ends with its connection
    for index in range(MEMBERS):
        made.append(kind(world, f"g{index}", 5, {f"{GROUP}/m/#": 2, FENCE_TOPIC: 2}, group=GROUP))
        made[-1].mood = rng.choice(MOODS[:5])
    for index in range(crowd):
        made.append(kind(world, f"crowd{index}", rng.choice((4, 5)), {"crowd/#": rng.choice((1, 2)), FENCE_TOPIC: 2}))
        made[-1].mood = rng.choice(("asleep", "asleep", "steady"))
    return made


def make_will_clients(world, rng, kind=WillClient):
    return [kind(world, f"c{index}", rng.choice((4, 5, 5)), delay=(0, 1)[index % 2], rng=rng) for index in range(WILL_CLIENTS)]


def draw_items(rng, topics, count):
    """A round's messages of a publisher."""
    items = []
    for _ in range(count):
        sizes = rng.random()
        size = rng.randrange(0, 200) if sizes < 0.93 else rng.randrange(1000, 4000) if sizes < 0.995 else rng.randrange(20_000, 60_000)
        topic = f"crowd/{rng.randrange(3)}" if rng.random() < 0.015 else rng.choice(topics)
        items.append(Item(topic, rng.choices((0, 1, 2), (4, 48, 48))[0], size))
    return items


def draw_retained(rng, name, count):
    """A round's retained messages of a writer, deletions among them."""
    items = []
    for _ in range(count):
        place = rng.randrange(6)
        items.append(Item(f"r/{name}/{place}", 1 + place % 2, rng.randrange(0, 100), retain=True, deletes=rng.random() < 0.25))
    return items


def draw_kills(rng, expected, most):
    """At which numbers of acknowledgements and deliveries of this round the broker dies: mostly one, anywhere in the round."""
    if not most:
        return []
    count = min(most, rng.choices((1, 2, 3), (75, 20, 5))[0])
    kills = sorted(rng.randrange(1, max(2, expected)) for _ in range(count))
    if count > 1 and rng.random() < 0.5:  # while it still recovers from the one before
        kills[1] = kills[0]
    return kills


def expected_progress(items, subscribers):
    """About how many acknowledgements and deliveries these messages will make."""
    filters = {subscriber.booked(name) for subscriber in subscribers for name in subscriber.filters}
    return sum(1 + sum(matches(name, item.topic) for _, name in filters) for item in items)
