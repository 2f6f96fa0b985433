"""The same behaviour with one, two and four shards: what crosses from shard to shard arrives, once, in order.

A client id decides the shard of its connection, so a handful of clients is spread over all of them."""

import collections

import pytest

import mqtt_wire as wire
from hostile import collect, scaled
from mqtt_client import Client
from support.broker import Broker

CLIENTS = 12


@pytest.fixture(scope="module", params=[1, 2, 4], ids=lambda shards: f"shards-{shards}")
def broker(request):
    with Broker.start(shards=request.param) as running:
        yield running


@pytest.fixture
def join(broker, name):
    made = []

    def make(version=5, client_id=None, **fields):
        made.append(Client(broker.address, version).handshake(client_id or f"{name}c{len(made)}", **fields))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_order_across_shards(join, name, qos):
    """Every subscriber gets each publisher's messages in order, all of them, once."""
    subscribers = [join(4 + number % 2) for number in range(CLIENTS)]
    for client in subscribers:
        client.subscribe(name + "/#", qos=qos)
    publishers = [join(4 + number % 2) for number in range(4)]
    count = 100
    for number in range(count):
        for index, client in enumerate(publishers):
            client.publish(f"{name}/{index}", str(number).encode(), qos=qos)
    for client in subscribers:
        got = collections.defaultdict(list)
        for message in collect(client, count * len(publishers)):
            assert message.qos == qos
            got[message.topic].append(int(message.payload))
        assert all(numbers == list(range(count)) for numbers in got.values()) and len(got) == len(publishers)
        client.barrier()


def test_subscribed_means_delivered(join, name):
    """After SUBACK a publish from any other connection arrives; after UNSUBACK none does."""
    subscribers, publishers = [join(5) for _ in range(8)], [join(4) for _ in range(8)]
    for number in range(scaled(400)):
        subscriber, publisher = subscribers[number % 8], publishers[number // 8 % 8]
        topic = f"{name}/{number}"
        topic_filter = topic if number % 2 else topic + "/#"
        subscriber.subscribe(topic_filter, qos=1)
        publisher.publish(topic, b"in", qos=number % 2)
        assert subscriber.take(topic=topic).payload == b"in"
        subscriber.unsubscribe(topic_filter)
        publisher.publish(topic, b"out", qos=1)
    for client in subscribers:
        client.barrier()


def test_retained_across_shards(join, name):
    """PUBACK of a retained message, then SUBSCRIBE anywhere: it is there; the newest only; deleted, it is gone."""
    clients = [join(5) for _ in range(CLIENTS)]
    for number, client in enumerate(clients):
        topic = f"{name}/{number}"
        client.publish(topic, b"old", qos=1, retain=True)
        clients[number - 1].publish(topic, b"new", qos=1, retain=True)
        for other in clients:
            other.subscribe(topic, qos=1)
            message = other.take(topic=topic)
            assert message.payload == b"new" and message.retain
            other.unsubscribe(topic)
        clients[number - 2].publish(topic, b"", qos=1, retain=True)
        for other in clients:
            other.subscribe(topic, qos=1)
            other.barrier()
            other.unsubscribe(topic)


def test_many_retained_for_a_wildcard(join, name):
    publishers = [join(5) for _ in range(CLIENTS)]
    for number in range(600):
        publishers[number % CLIENTS].publish(f"{name}/{number}/x", str(number).encode(), qos=1, retain=True)
    late = join(5)
    late.subscribe(f"{name}/+/x", qos=1)
    got = sorted(int(late.take().payload) for _ in range(600))
    assert got == list(range(600))
    for number in range(600):
        publishers[number % CLIENTS].publish(f"{name}/{number}/x", b"", qos=1, retain=True)


def test_takeover_across_connections(join, name):
    """The older connection is told 0x8E; the session and what waits in it go to the newer one."""
    publisher = join(5)
    for number in range(CLIENTS):
        client_id, topic = f"{name}x{number}", f"{name}/{number}"
        older = join(5, client_id, clean=False, props=[(wire.SESSION_EXPIRY, 600), (wire.RECEIVE_MAXIMUM, 1)])
        older.subscribe(topic, qos=1)
        publisher.publish(topic, b"first", qos=1)
        publisher.publish(topic, b"second", qos=1)
        older.expect(wire.PUBLISH, payload=b"first")  # never acknowledged
        newer = join(5, client_id, clean=False, props=[(wire.SESSION_EXPIRY, 600)])
        assert newer.connack.session_present
        older.expect(wire.DISCONNECT, reason=0x8E)
        older.expect_closed()
        message = newer.take()
        assert message.payload == b"first" and message.dup
        assert newer.take().payload == b"second"
        publisher.publish(topic, b"third", qos=1)
        assert newer.take().payload == b"third"


@pytest.mark.parametrize("version", [4, 5])
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_shared_subscriptions(join, name, version, qos):
    """Each message goes to each group exactly once, whatever shards its members are on; everybody gets a share."""
    groups = {group: [join(version) for _ in range(6)] for group in ("red", "blue")}
    for group, members in groups.items():
        for client in members:
            client.subscribe(f"$share/{group}/{name}/+", qos=qos)
    publishers = [join(version) for _ in range(3)]
    count = 200
    for number in range(count):
        publishers[number % 3].publish(f"{name}/{number % 5}", str(number).encode(), qos=qos)
    for group, members in groups.items():
        got = []
        for client in members:
            mine = until_fence(client, publishers, name)
            assert mine, f"a member of {group} got nothing"
            got += mine
        assert sorted(got) == list(range(count)), group


def until_fence(client, publishers, name):
    """The numbers in the messages that came before a message of each publisher that only this client gets."""
    topic = f"{name}-fence/{id(client)}"
    client.send(wire.subscribe(client.version, 60000, [(topic, 0)]))
    fences, numbers = 0, []
    while fences < len(publishers):
        packet = client.receive()
        if packet.kind == wire.SUBACK:
            for publisher in publishers:
                publisher.publish(topic, b"")
        elif packet.kind == wire.PUBREL:
            client.finish(wire.PUBCOMP, packet.packet_id)
        elif packet.topic == topic:
            fences += 1
        else:
            numbers.append(int(packet.payload))
            if packet.qos == 1:
                client.acknowledge(packet)
            elif packet.qos == 2:
                client.send(wire.ack(client.version, wire.PUBREC, packet.packet_id))
    return numbers


def test_shared_group_loses_a_member(join, name):
    """A member that has unsubscribed gets nothing more; the one that stays gets all, in order."""
    stays, leaves = join(5), join(5)
    for client in (stays, leaves):
        client.subscribe(f"$share/g/{name}/t", qos=1)
    leaves.unsubscribe(f"$share/g/{name}/t")
    publisher = join(5)
    for number in range(50):
        publisher.publish(f"{name}/t", str(number).encode(), qos=1)
    assert [int(stays.take().payload) for _ in range(50)] == list(range(50))
    leaves.barrier()


@pytest.mark.parametrize("qos", [1, 2])
def test_many_clients(join, name, qos):
    """Sixty clients send to one another in a ring, all at the same time."""
    count = 60
    clients = [join(4 + number % 2) for number in range(count)]
    for number, client in enumerate(clients):
        client.subscribe(f"{name}/{number}", qos=qos)
    for round_number in range(10):
        for number, client in enumerate(clients):
            client.send(wire.publish(client.version, f"{name}/{(number + 7) % count}", str(round_number).encode(), qos,
                                     round_number + 1))
        received = collections.Counter()
        for client in clients:
            answer_until(client, round_number, received, lambda got: got.kind == (wire.PUBACK if qos == 1 else wire.PUBCOMP))
        for client in clients:
            if not received[client]:
                answer_until(client, round_number, received, lambda _got: received[client])
        assert all(received[client] == 1 for client in clients)


def answer_until(client, round_number, received, last):
    """Answers what comes until the packet for which `last` is true, and counts the messages completed."""
    while True:
        packet = client.receive()
        if packet.kind == wire.PUBREC:
            client.send(wire.ack(client.version, wire.PUBREL, packet.packet_id))
        elif packet.kind == wire.PUBLISH:
            assert packet.payload == str(round_number).encode()
            if packet.qos == 2:
                client.send(wire.ack(client.version, wire.PUBREC, packet.packet_id))
                continue
            client.acknowledge(packet)
            received[client] += 1
        elif packet.kind == wire.PUBREL:
            client.finish(wire.PUBCOMP, packet.packet_id)
            received[client] += 1
        if last(packet):
            return


def test_sessions_wait_on_every_shard(join, name):
    """Queued while away, in order, wherever the session lives."""
    publisher = join(5)
    ids = [f"{name}x{number}" for number in range(CLIENTS)]
    lasting = {"clean": False, "props": [(wire.SESSION_EXPIRY, 600)]}
    for client_id in ids:
        client = join(5, client_id, **lasting)
        client.subscribe(name + "/#", qos=1)
        client.disconnect()
    for number in range(100):
        publisher.publish(f"{name}/{number % 3}", str(number).encode(), qos=1)
    for client_id in ids:
        client = join(5, client_id, **lasting)
        assert client.connack.session_present
        assert [int(client.take().payload) for _ in range(100)] == list(range(100))
        client.barrier()
