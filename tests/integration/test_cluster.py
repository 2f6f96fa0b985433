"""Three real nodes that are one broker: any client on any node, and what happens when a node goes."""

import collections
import os
import signal

import pytest

import mqtt_wire as wire
from hostile import collect
from mqtt_client import DEADLINE, Client
from mqtt_wire import PUBACK, PUBLISH
from secure import Certificates
from support.broker import Broker, free_port, wait_until

LASTING = [(wire.SESSION_EXPIRY, 1000)]
NAMES = ("a", "b", "c")


class Cluster:
    """Nodes with data directories of their own, that can be ended and started again."""

    def __init__(self, folder, names=NAMES, settings=None):
        self.folder, self.settings = folder, settings or {}
        self.ports = {name: free_port() for name in names}
        self.nodes, self.clients = {}, []
        for name in names:
            self.start(name)
        for name in names:
            self.wait_joined(name)

    @property
    def peers(self):
        return ",".join(f"{name}=127.0.0.1:{port}" for name, port in self.ports.items())

    def start(self, name, **settings):
        of_node = {key: str(value).replace("NODE", name) for key, value in self.settings.items()}
        arguments = ["--node-id", name, "--cluster-listen", f"127.0.0.1:{self.ports[name]}", "--peers", self.peers]
        self.nodes[name] = Broker.start(shards=2, data_dir=self.folder / name, arguments=arguments,
                                        settings={"cluster.join_timeout_ms": 30_000, "cluster.digest_interval_ms": 200,
                                                  **of_node, **settings})

    def wait_joined(self, name):
        """The node is linked with every other."""
        def linked(here, there):
            log = self.nodes[here].log()
            return log.count(f"peer.up node={there}") > log.count(f"peer.down node={there}")
        others = [other for other in self.nodes if other != name]
        wait_until(lambda: all(linked(name, other) and linked(other, name) for other in others), DEADLINE, f"{name} has joined")

    def kill(self, name):
        self.nodes.pop(name).discard()

    def wait_log(self, name, text, count=1):
        wait_until(lambda: self.nodes[name].log().count(text) >= count, DEADLINE, f"node {name} logs {text!r} {count} times")

    def join(self, node, client_id="", version=5, lasting=False, **fields):
        client = Client(self.nodes[node].address, version)
        self.clients.append(client)
        return client.handshake(client_id, clean=not lasting, props=LASTING if lasting else [], **fields)

    def leave_session(self, node, client_id, topic_filter):
        """A durable session with a subscription, and nobody connected."""
        client = self.join(node, client_id, lasting=True)
        client.subscribe(topic_filter, qos=1)
        client.disconnect()

    def retained(self, node, topic_filter):
        """The topics that a new subscriber there is sent, after its SUBACK and before the answer to a ping."""
        client = self.join(node)
        client.subscribe(topic_filter)
        client.send(wire.pingreq())
        topics = []
        while (packet := client.receive()).kind == PUBLISH:
            topics.append(packet.topic)
        client.close()
        return topics

    def ids(self, prefix, count=12):
        """Client ids enough that every node owns some."""
        return [f"{prefix}{number}" for number in range(count)]

    def stop(self):
        for client in self.clients:
            client.close()
        lost = [line for node in self.nodes.values() for line in node.log().splitlines() if "routes.diverged" in line]
        for node in self.nodes.values():
            node.stop()
        self.nodes.clear()
        assert not lost, "what nodes know of each other's routes was wrong"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    made = Cluster(tmp_path_factory.mktemp("cluster"))
    yield made
    made.stop()


@pytest.fixture
def fragile(tmp_path):
    """A cluster of the test's own, to be broken."""
    made = Cluster(tmp_path)
    yield made
    made.stop()


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_any_publisher_reaches_any_subscriber(cluster, name, qos):
    subscribers = [cluster.join(NAMES[i % 3], client_id) for i, client_id in enumerate(cluster.ids(name + "s"))]
    for subscriber in subscribers:
        subscriber.subscribe(f"{name}/+", qos=qos)
    publishers = [cluster.join(NAMES[i // 3 % 3], client_id) for i, client_id in enumerate(cluster.ids(name + "p", 9))]
    for number in range(10):
        for index, publisher in enumerate(publishers):
            publisher.publish(f"{name}/{index}", b"%d" % number, qos=qos)
    for subscriber in subscribers:
        got = collections.defaultdict(list)
        for message in collect(subscriber, 10 * len(publishers)):
            got[message.topic].append(int(message.payload))
        assert all(numbers == list(range(10)) for numbers in got.values()) and len(got) == len(publishers)
        subscriber.barrier()


def test_subscribed_means_delivered_from_every_node(cluster, name):
    subscribers = [cluster.join(NAMES[i % 3], client_id) for i, client_id in enumerate(cluster.ids(name + "s", 6))]
    publishers = [cluster.join(NAMES[i // 2 % 3], client_id, version=4) for i, client_id in enumerate(cluster.ids(name + "p", 6))]
    for number in range(60):
        subscriber, publisher = subscribers[number % 6], publishers[number // 6 % 6]
        topic = f"{name}/{number}"
        subscriber.subscribe(topic, qos=1)
        publisher.publish(topic, b"in", qos=1)
        assert subscriber.take(topic=topic).payload == b"in"
        subscriber.unsubscribe(topic)
        publisher.publish(topic, b"out", qos=1)
        subscriber.barrier()


def test_a_session_is_the_same_from_every_node(cluster, name):
    for client_id in cluster.ids(name):
        first = cluster.join("a", client_id, lasting=True)
        first.subscribe(f"{name}/q/{client_id}", qos=2)
        second = cluster.join("b", client_id, lasting=True)
        assert second.connack.session_present
        first.expect_closed(0x8E)
        second.disconnect()
        cluster.join("c").publish(f"{name}/q/{client_id}", b"kept", qos=2)
        third = cluster.join("c", client_id, lasting=True)
        assert third.connack.session_present
        assert third.take(qos=2).payload == b"kept"
        third.disconnect()


def test_one_connection_for_a_client_id(cluster, name):
    for client_id in cluster.ids(name, 6):
        older = cluster.join("a", client_id)
        for node in ("b", "c", "a"):
            newer = cluster.join(node, client_id)
            older.expect_closed(0x8E)
            older = newer
        older.barrier()


def test_a_will_of_a_client_on_another_node(cluster, name):
    watcher = cluster.join("b")
    watcher.subscribe(f"{name}/#", qos=1)
    for client_id in cluster.ids(name, 6):
        cluster.join("a", client_id, will=wire.will(f"{name}/{client_id}", b"gone", qos=1)).drop()
        assert watcher.take().topic == f"{name}/{client_id}"
    watcher.barrier()


def test_a_will_after_its_node_was_killed(fragile, name):
    """Once: at once when the session lives on a node that stays, after the restart when it lives on the one that was killed."""
    fragile.kill("c")
    fragile.wait_log("b", "peer.down")
    watcher_ids = [client_of(fragile, f"{name}w{number}-", "b") for number in range(3)]  # of sessions that live elsewhere
    fragile.start("c")
    fragile.wait_joined("c")
    watchers = [fragile.join("b", watcher_id) for watcher_id in watcher_ids]
    for watcher in watchers:
        watcher.subscribe(f"{name}/#", qos=1)
    ids = fragile.ids(name)
    for client_id in ids:
        fragile.join("c", client_id, lasting=True, will=wire.will(f"{name}/{client_id}", b"gone", qos=1))
    fragile.kill("c")
    fragile.start("c")
    for watcher in watchers:
        assert sorted(message.topic for message in collect(watcher, len(ids))) == sorted(f"{name}/{each}" for each in ids)
        watcher.barrier()


def test_a_shared_group_over_all_nodes(cluster, name):
    members = [cluster.join(NAMES[i % 3], client_id) for i, client_id in enumerate(cluster.ids(name, 6))]
    for member in members:
        member.subscribe(f"$share/{name}/{name}/x", qos=1)
    publisher = cluster.join("c")
    for number in range(60):
        publisher.publish(f"{name}/x", b"%d" % number, qos=1)
    got = []
    for member in members:
        member.send(wire.pingreq())
        while (packet := member.receive()).kind == PUBLISH:
            got.append(int(packet.payload))
            member.acknowledge(packet)
    assert sorted(got) == list(range(60)), "each to one member"


def test_retained_messages_are_everywhere(cluster, name):
    cluster.join("a").publish(f"{name}/r", b"kept", qos=1, retain=True)

    for node in NAMES:
        wait_until(lambda node=node: cluster.retained(node, f"{name}/#") == [f"{name}/r"], DEADLINE, f"{node} has it")
    cluster.join("b").publish(f"{name}/r", b"", qos=1, retain=True)
    for node in NAMES:
        wait_until(lambda node=node: cluster.retained(node, f"{name}/#") == [], DEADLINE, f"{node} has removed it")


def test_a_node_that_is_killed_and_comes_back(fragile, name):
    """Its clients can go elsewhere when it is back, the others never stop, what was acknowledged is still there."""
    ids = fragile.ids(name)
    for client_id in ids:
        fragile.leave_session("a", client_id, f"{name}/{client_id}")
    publisher = fragile.join("a", lasting=False)
    for client_id in ids:
        publisher.publish(f"{name}/{client_id}", b"before", qos=1)
    retained = fragile.join("a")
    retained.publish(f"{name}/r/old", b"x", qos=1, retain=True)
    fragile.kill("c")
    fragile.wait_log("a", "peer.down")
    fragile.wait_log("b", "peer.down")
    witness = fragile.join("b", client_of(fragile, name + "w", "b"))
    witness.subscribe(f"{name}/w", qos=1)
    other = fragile.join("a", client_of(fragile, name + "o", "a"))
    for number in range(20):
        other.publish(f"{name}/w", b"%d" % number, qos=1)
        assert witness.take().payload == b"%d" % number
    other.publish(f"{name}/r/old", b"", qos=1, retain=True)
    other.publish(f"{name}/r/new", b"y", qos=1, retain=True)

    fragile.start("c")
    fragile.wait_joined("c")
    for client_id in ids:
        client = fragile.join("b", client_id, lasting=True)
        assert client.connack.session_present
        assert client.take(qos=1).payload == b"before"
    wait_until(lambda: fragile.retained("c", f"{name}/r/#") == [f"{name}/r/new"], DEADLINE,
               "what was retained and removed meanwhile")


def client_of(cluster, prefix, node):
    """A client id whose durable session can be had through `node` now: its CONNECT is not refused."""
    for number in range(64):
        client = Client(cluster.nodes[node].address, 5)
        try:
            client.send(wire.connect(5, f"{prefix}{number}", props=LASTING))
            answer = client.receive()
        except OSError:
            answer = None
        client.close()
        if answer is not None and answer.reason == 0:
            return f"{prefix}{number}"
    raise AssertionError("every client id is refused")


def test_a_node_that_stops_tells_its_clients(fragile, name):
    """Also those whose session lives on another node; a session that lives on a node that stays can be taken up at once."""
    clients = {client_id: fragile.join("b", client_id, lasting=True) for client_id in fragile.ids(name)}
    os.kill(fragile.nodes["b"].pid, signal.SIGTERM)
    for client in clients.values():
        client.expect_closed(0x8B)
    fragile.nodes.pop("b").stop()
    fragile.wait_log("a", "peer.down")
    resumed = 0
    for client_id in clients:
        client = Client(fragile.nodes["a"].address, 5)
        fragile.clients.append(client)
        client.send(wire.connect(5, client_id, clean=False, props=LASTING))
        answer = client.receive()
        assert (answer.reason, answer.session_present) in ((0, True), (0x88, False))
        resumed += answer.session_present
    assert resumed


def test_a_client_of_a_dead_node_is_told(fragile, name):
    fragile.kill("b")
    fragile.wait_log("a", "peer.down")
    reasons = set()
    for number in range(64):
        client = Client(fragile.nodes["a"].address, 5)
        client.send(wire.connect(5, f"{name}{number}", clean=False, props=LASTING))
        reasons.add(client.receive().reason)
        client.close()
    assert reasons == {0x00, 0x88}, "the session's node is needed: Server unavailable"


def test_a_frozen_node_does_not_hold_up_subscribers_for_long(fragile, name):
    os.kill(fragile.nodes["c"].pid, signal.SIGSTOP)
    try:
        client = fragile.join("a", client_of(fragile, name, "a"))
        client.subscribe(f"{name}/x", qos=1)
        fragile.wait_log("a", "peer.down")
    finally:
        os.kill(fragile.nodes["c"].pid, signal.SIGCONT)
    fragile.wait_joined("c")

    def published():
        try:
            return fragile.join("c").publish(f"{name}/x", b"m", qos=1).reason == 0
        except (AssertionError, OSError):
            return False  # a loop that stood still sheds new connections for a turn

    wait_until(published, DEADLINE, "the route is back")
    assert client.take().payload == b"m"


def test_who_does_not_belong_is_refused(tmp_path):
    cluster = Cluster(tmp_path, names=("a", "b"))
    try:
        cluster.kill("b")
        cluster.start("b", **{"cluster.name": "another"})
        cluster.wait_log("a", "peer.refused node=b")
        assert "it refuses us: cluster 'skeinmq' instead of 'another'" in cluster.nodes["a"].log()
        cluster.kill("b")
        cluster.ports["c"] = free_port()
        cluster.start("b")
        cluster.wait_log("a", "another list of nodes")
    finally:
        cluster.stop()


def test_nodes_prove_who_they_are(tmp_path):
    certificates = Certificates(tmp_path / "pki")
    for node in NAMES:
        certificates.issue(node, f"DNS:{node}")
    certificates.issue("liar", "DNS:somebody")
    settings = {"cluster.ca_file": certificates.ca, "cluster.cert_file": tmp_path / "pki" / "NODE.pem",
                "cluster.key_file": tmp_path / "pki" / "NODE.key"}
    cluster = Cluster(tmp_path, settings=settings)
    try:
        subscriber = cluster.join("a")
        subscriber.subscribe("t", qos=1)
        cluster.join("c").publish("t", b"m", qos=1)
        assert subscriber.take().payload == b"m"
        # Dialed by a, which expects the name c; and dialing c itself as a.
        for liar in ("c", "a"):
            cluster.kill(liar)
            cluster.start(liar, **{"cluster.cert_file": tmp_path / "pki" / "liar.pem",
                                   "cluster.key_file": tmp_path / "pki" / "liar.key", "cluster.join_timeout_ms": 100})
            if liar == "a":
                cluster.wait_log("c", "peer.refused node=a")
                assert "its certificate does not have the name 'a'" in cluster.nodes["c"].log()
            else:
                wait_until(lambda: "peer.unreachable node=c" in cluster.nodes["a"].log(), DEADLINE, "a does not accept c")
            cluster.kill(liar)
            cluster.start(liar)
            cluster.wait_joined(liar)
    finally:
        cluster.stop()


def test_what_is_published_for_a_dead_node_waits_for_it(fragile, name):
    """What was on its way to it, and what comes while it is away: acknowledged, kept on disk, delivered in order."""
    ids = fragile.ids(name)
    for client_id in ids:
        fragile.leave_session("a", client_id, f"{name}/all")
    # Those whose own sessions live on c are cut off with it.
    publishers = [fragile.join("a", client_id) for client_id in fragile.ids(name + "p", 9)]
    os.kill(fragile.nodes["c"].pid, signal.SIGSTOP)
    for publisher in publishers:
        publisher.send(wire.publish(5, f"{name}/all", b"m", 1, 9))
    fragile.kill("c")
    answers = [publisher.receive() for publisher in publishers]
    assert {answer.reason for answer in answers if answer is not None} == {0}
    publisher = next(publisher for publisher, answer in zip(publishers, answers) if answer is not None)
    publisher.publish(f"{name}/all", b"later", qos=1)
    publisher.publish(f"{name}/none", b"m", qos=1)
    fragile.start("c")
    fragile.wait_joined("c")
    publisher.publish(f"{name}/all", b"again", qos=1)
    for client_id in ids:
        client = fragile.join("b", client_id, lasting=True)
        assert client.connack.session_present
        payloads = []
        while not payloads or payloads[-1] != b"again":
            payloads.append(client.take(qos=1).payload)
        rest = [payload for payload in payloads if payload != b"m"]
        assert b"m" in payloads and rest == [b"later", b"again"], payloads
