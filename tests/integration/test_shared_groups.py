"""Shared groups over three real nodes: who is chosen, and what becomes of the messages of a member that goes."""

import pytest

import mqtt_wire as wire
from hostile import collect
from mqtt_client import DEADLINE, Client
from mqtt_wire import PUBLISH
from support.broker import wait_until
from test_cluster import LASTING, NAMES, Cluster


@pytest.fixture
def cluster(tmp_path, request):
    """A cluster of the test's own; its parameter is the strategy."""
    made = Cluster(tmp_path, settings={"shared_subscriptions.strategy": getattr(request, "param", "round_robin")})
    yield made
    made.stop()


def join(cluster, node, client_id="", props=(), clean=True):
    client = Client(cluster.nodes[node].address, 5)
    cluster.clients.append(client)
    return client.handshake(client_id, clean=clean, props=list(props))


def drain(client):
    """The messages that had come by the answer to a ping, acknowledged."""
    client.send(wire.pingreq())
    got = []
    while (packet := client.receive()).kind == PUBLISH:
        got.append(packet)
        client.acknowledge(packet)
    return got


@pytest.mark.parametrize("unsubscribes", [False, True], ids=["dropped", "unsubscribed"])
def test_what_a_member_leaves_is_given_to_others(cluster, name, unsubscribes):
    """All that was acknowledged to publishers arrives, whatever the nodes of members and publisher are; each message once."""
    group, topic = f"$share/{name}/{name}/t", f"{name}/t"
    first = join(cluster, "a", props=[(wire.RECEIVE_MAXIMUM, 3)])
    first.subscribe(group, qos=1)
    publisher = join(cluster, "c")
    for number in range(20):
        publisher.publish(topic, b"%d" % number, qos=1)
    in_flight = [first.expect(PUBLISH) for _ in range(3)]
    others = [join(cluster, node) for node in NAMES]
    for other in others:
        other.subscribe(group, qos=1)
    if unsubscribes:
        first.unsubscribe(group)
        for message in in_flight:
            first.acknowledge(message)
        first.barrier()
        left = set(range(3, 20))
    else:
        first.drop()
        left = set(range(20))
    got = []

    def all_came():
        got.extend(message for other in others for message in drain(other))
        return len(got) >= len(left)

    wait_until(all_came, DEADLINE, "others have all that was left")
    assert sorted(int(message.payload) for message in got) == sorted(left)
    assert not any(message.dup for message in got)
    for other in others:
        other.barrier()


def test_a_queue_on_disk_goes_to_others_when_its_session_ends(cluster, name):
    """A durable member leaves a queue; its node is killed and comes back; a clean start ends the session."""
    group, topic = f"$share/{name}/{name}/t", f"{name}/t"
    member = join(cluster, "a", name, LASTING, clean=False)
    member.subscribe(group, (f"{name}/own", 1), qos=1)
    member.disconnect()
    publisher = join(cluster, "a")
    for number in range(300):
        publisher.publish(topic, b"%d" % number, qos=1 + number % 2)
    publisher.publish(f"{name}/own", b"own", qos=1)
    for node in NAMES:
        cluster.kill(node)
    for node in NAMES:
        cluster.start(node)
    for node in NAMES:
        cluster.wait_joined(node)
    other = join(cluster, "b")
    other.subscribe(group, qos=2)
    other.barrier()
    assert not join(cluster, "c", name).connack.session_present
    got = collect(other, 300)
    assert sorted(int(message.payload) for message in got) == list(range(300))
    other.barrier()


def test_nothing_goes_to_members_of_a_dead_node(cluster, name):
    group, topic = f"$share/{name}/{name}/t", f"{name}/t"
    members = {node: [join(cluster, node) for _ in range(4)] for node in NAMES}
    for node in NAMES:
        for member in members[node]:
            member.subscribe(group, qos=1)
    cluster.kill("c")
    cluster.wait_log("a", "peer.down")
    cluster.wait_log("b", "peer.down")
    alive = []
    for member in members["a"] + members["b"]:
        try:
            member.barrier()
            alive.append(member)
        except (AssertionError, OSError):  # its session was on the dead node
            pass
    fresh = [join(cluster, node) for node in ("a", "b")]
    for member in fresh:
        member.subscribe(group, qos=1)
    publisher = join(cluster, "a")
    sent = list(range(40))
    for number in sent:
        publisher.publish(topic, b"%d" % number, qos=1)
    got = [int(message.payload) for member in alive + fresh for message in drain(member)]
    assert sorted(got) == sent


@pytest.mark.parametrize("cluster", ["hash_topic"], indirect=True)
def test_a_topic_has_one_member_whoever_publishes(cluster, name):
    members = [join(cluster, NAMES[i % 3]) for i in range(6)]
    for member in members:
        member.subscribe(f"$share/{name}/{name}/+", qos=1)
    publishers = [join(cluster, node) for node in NAMES]
    for number in range(10):
        for publisher in publishers:
            for topic in range(12):
                publisher.publish(f"{name}/{topic}", b"%d" % number, qos=1)
    owner, count = {}, 0
    for index, member in enumerate(members):
        numbers = {}
        for message in drain(member):
            assert owner.setdefault(message.topic, index) == index
            numbers.setdefault(message.topic, []).append(int(message.payload))
            count += 1
        for topic, of_topic in numbers.items():
            assert of_topic == sorted(of_topic), f"the order of {topic}"
    assert count == 360
    assert len(set(owner.values())) > 1
