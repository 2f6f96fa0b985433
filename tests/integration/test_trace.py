"""Why a message did not arrive: what explain foretells and what a trace tells, each beside what really happens, on three nodes."""

import contextlib
import json
import os
import signal
import subprocess

import pytest

import mqtt_wire as wire
from admin_document import api
from mqtt_client import DEADLINE, Client
from mqtt_wire import PUBACK, PUBLISH, SUBACK
from support.broker import program, wait_until
from test_cluster import LASTING, NAMES, Cluster

MOST_QUEUED = 3
RULES = """
default: allow
rules:
  - {deny: publish, clients: [mute], topics: ['acl/#']}
  - {deny: subscribe, clients: [deaf], topics: ['acl/secret']}
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trace")
    (folder / "acl.yaml").write_text(RULES)
    made = Cluster(folder, settings={"authorization.file": folder / "acl.yaml", "limits.max_queued_messages": MOST_QUEUED})
    yield made
    made.stop()


def join(cluster, node, client_id, props=(), clean=True):
    client = Client(cluster.nodes[node].address, 5)
    cluster.clients.append(client)
    return client.handshake(client_id, clean=clean, props=list(props))


def explain(cluster, topic, node="a", **parameters):
    """The whole answer, and its receivers by client id."""
    answer = api(cluster.nodes[node], "/api/v1/explain", topic=topic, **parameters)
    return answer, {row["client_id"]: row for row in answer["receivers"]}


class Trace:
    """A trace that is on, asked of one node."""

    def __init__(self, cluster, node, **what):
        self.cluster, self.node, self.events, self.after, self.what = cluster, node, [], "", what
        answer = api(cluster.nodes[node], "/api/v1/traces", "POST", {"seconds": 600, **what}, status=201)
        assert answer["silent_nodes"] == [], answer
        self.path = f"/api/v1/traces/{answer['id']}"

    def read(self):
        answer = api(self.cluster.nodes[self.node], self.path, after=self.after)
        assert answer["lost"] == 0, answer
        self.events += answer["events"]
        self.after = answer["last"]
        return self.events

    def wait(self, step, **fields):
        """The first event of that kind with those fields, which is there or comes."""
        def found():
            return next((event for event in self.read() if event["step"] == step and
                         all(event[name] == value for name, value in fields.items())), None)
        try:
            return wait_until(found, DEADLINE, f"{step} {fields}")
        except AssertionError as missing:
            raise AssertionError(f"{missing}; there is {self.events}") from None

    def steps(self, client_id=None):
        return [event["step"] for event in self.events if client_id is None or event["client_id"] == client_id]


@contextlib.contextmanager
def traced(cluster, node="a", **what):
    trace = Trace(cluster, node, **what)
    try:
        yield trace
    finally:
        deleted = api(cluster.nodes[node], trace.path, "DELETE")["deleted"]
    assert deleted
    api(cluster.nodes[node], trace.path, status=404)


def publish(client, topic, payload=b"x", qos=1, **fields):
    """The reason code of the acknowledgement."""
    client.send(wire.publish(5, topic, payload, qos, 70 if qos else 0, **fields))
    return client.expect(PUBACK, packet_id=70).reason if qos else None


def test_no_route(cluster, name):
    publisher = join(cluster, "a", name)
    answer, receivers = explain(cluster, name, client_id=name)
    assert receivers == {} and not answer["retained"] and answer["silent_nodes"] == []
    assert answer["publisher"]["allowed"] and answer["publisher"]["known"] and answer["publisher"]["connected"]
    with traced(cluster, topic=name) as trace:
        assert publish(publisher, name) == 0x10
        assert trace.wait("received", client_id=name)["packet_id"] == 70
        trace.wait("no_route")
        assert "matching" in trace.wait("answered")["why"]


def test_a_publisher_may_not(cluster):
    publisher, subscriber = join(cluster, "a", "mute"), join(cluster, "b", "")
    subscriber.subscribe("acl/#")
    answer, _ = explain(cluster, "acl/x", node="c", client_id="mute")
    assert answer["publisher"]["allowed"] is False and "acl.yaml:4" in answer["publisher"]["rule"]
    assert [row["would"] for row in answer["receivers"]] == ["drop"]
    with traced(cluster, topic="acl/x") as trace:
        assert publish(publisher, "acl/x") == 0x87
        subscriber.fence(join(cluster, "a", ""))
        assert "acl.yaml:4" in trace.wait("denied", client_id="mute")["rule"]
        assert "matched" not in trace.steps()
    assert explain(cluster, "acl/x", client_id="other")[0]["publisher"]["allowed"] is True


def test_a_subscriber_may_not(cluster):
    publisher, subscriber = join(cluster, "a", "speaker"), join(cluster, "b", "deaf")
    with traced(cluster, client_id="deaf") as trace:
        subscriber.send(wire.subscribe(5, 9, [("acl/secret", 0), ("acl/+", 0)]))
        assert list(subscriber.expect(SUBACK, packet_id=9).codes) == [0x87, 0]
        assert "acl.yaml:5" in trace.wait("denied", topic="acl/secret")["rule"]
        _, receivers = explain(cluster, "acl/secret", node="c", client_id="speaker")
        assert receivers["deaf"]["would"] == "drop" and "acl.yaml:5" in receivers["deaf"]["rule"]
        assert receivers["deaf"]["filter"] == "acl/+"
        _, receivers = explain(cluster, "acl/open")
        assert receivers["deaf"]["would"] == "deliver" and receivers["deaf"]["rule"] == "default"
        publish(publisher, "acl/secret")
        publish(publisher, "acl/open")
        subscriber.take(topic="acl/open")
        dropped = trace.wait("dropped", topic="acl/secret")
        assert "acl.yaml:5" in dropped["rule"] and dropped["client_id"] == "deaf"
        trace.wait("sent", topic="acl/open", client_id="deaf")


def test_offline_queued_then_full_then_redelivered(cluster, name):
    publisher = join(cluster, "a", name + "p")
    cluster.leave_session("b", name + "s", name)
    _, receivers = explain(cluster, name)
    row = receivers[name + "s"]
    assert (row["would"], row["connected"], row["durable"], row["qos"]) == ("queue", False, True, 1)
    assert explain(cluster, name, qos=0)[1][name + "s"]["would"] == "drop"
    with traced(cluster, "c", topic=name) as trace:
        publish(publisher, name, b"zero", qos=0)
        assert "QoS 0" in trace.wait("dropped", client_id=name + "s")["why"]
        for number in range(MOST_QUEUED):
            publish(publisher, name, b"%d" % number)
        _, receivers = explain(cluster, name)
        assert receivers[name + "s"]["would"] == "drop" and "max_queued_messages" in receivers[name + "s"]["why"]
        publish(publisher, name, b"too many")
        wait_until(lambda: trace.read() and trace.steps(name + "s").count("queued") == MOST_QUEUED, DEADLINE, "all are queued")
        trace.wait("dropped", client_id=name + "s", why=receivers[name + "s"]["why"])
        first = join(cluster, "c", name + "s", LASTING, clean=False)
        assert [first.expect(PUBLISH).payload for _ in range(MOST_QUEUED)] == [b"0", b"1", b"2"]
        first.drop()
        second = join(cluster, "b", name + "s", LASTING, clean=False)
        assert [second.take().payload for _ in range(MOST_QUEUED)] == [b"0", b"1", b"2"]
        wait_until(lambda: trace.read() and trace.steps(name + "s").count("acknowledged") == MOST_QUEUED, DEADLINE, "all are said")
        assert trace.steps(name + "s").count("sent") == MOST_QUEUED
        assert trace.steps(name + "s").count("redelivered") == MOST_QUEUED


def test_expired(cluster, name):
    publisher = join(cluster, "a", name + "p")
    cluster.leave_session("b", name + "s", f"{name}/#")
    with traced(cluster, topic=f"{name}/#") as trace:
        publish(publisher, f"{name}/old", props=[(wire.MESSAGE_EXPIRY, 1)])
        publish(publisher, f"{name}/new")
        trace.wait("queued", topic=f"{name}/new")
        # What is retained with the same expiry is gone: so has the other one's time.
        publish(publisher, f"{name}-clock", retain=True, props=[(wire.MESSAGE_EXPIRY, 1)])
        wait_until(lambda: not explain(cluster, f"{name}-clock")[0]["retained"], DEADLINE, "a second has passed")
        subscriber = join(cluster, "c", name + "s", LASTING, clean=False)
        subscriber.take(topic=f"{name}/new")
        assert "expired" in trace.wait("dropped", client_id=name + "s", topic=f"{name}/old")["why"]


def test_no_local(cluster, name):
    client = join(cluster, "a", name)
    client.subscribe(name, qos=1, no_local=True)
    assert explain(cluster, name)[1][name]["would"] == "deliver"
    row = explain(cluster, name, node="b", client_id=name)[1][name]
    assert row["would"] == "drop" and "No Local" in row["why"]
    with traced(cluster, topic=name) as trace:
        publish(client, name)
        client.barrier()
        assert "No Local" in trace.wait("dropped", client_id=name)["why"]


def test_too_large_for_its_receiver(cluster, name):
    publisher = join(cluster, "a", "")
    subscriber = join(cluster, "b", name, [(wire.MAXIMUM_PACKET_SIZE, 200)])
    subscriber.subscribe(name)
    assert explain(cluster, name)[1][name]["would"] == "deliver"
    row = explain(cluster, name, payload_bytes=300)[1][name]
    assert row["would"] == "drop" and "Maximum Packet Size" in row["why"]
    with traced(cluster, topic=name) as trace:
        publish(publisher, name, bytes(300))
        subscriber.fence(publisher)
        assert "Maximum Packet Size" in trace.wait("dropped", client_id=name)["why"]


def test_retained(cluster, name):
    publisher = join(cluster, "a", "")
    with traced(cluster, topic=name) as trace:
        publish(publisher, name, retain=True)
        trace.wait("retained")
    wait_until(lambda: explain(cluster, name, node="b")[0]["retained"], DEADLINE, "it is on every node")
    assert cluster.retained("b", name) == [name]
    publish(publisher, name, b"", retain=True)
    assert explain(cluster, name)[0]["retained"] is False


def test_one_member_of_a_group(cluster, name):
    publisher = join(cluster, "a", "")
    members = {client_id: join(cluster, node, client_id) for node, client_id in zip(NAMES, cluster.ids(name, 3))}
    for member in members.values():
        member.subscribe(f"$share/group/{name}", qos=1)
    _, receivers = explain(cluster, name, node="b")
    assert set(receivers) == set(members)
    assert {(row["share"], row["strategy"], row["would"]) for row in receivers.values()} == {("group", "round_robin", "deliver")}
    with traced(cluster, topic=name) as trace:
        publish(publisher, name)
        picked = trace.wait("picked")
        members[picked["client_id"]].take(topic=name)
        trace.wait("acknowledged", client_id=picked["client_id"])
        assert trace.steps().count("picked") == 1
    for member in members.values():
        member.barrier()


def test_followed_to_other_nodes(cluster, name):
    """Sessions live where their client ids belong; the trace of the publisher shows every receiver, on whatever node."""
    receivers = {client_id: join(cluster, "b", client_id) for client_id in cluster.ids(name, 6)}
    for receiver in receivers.values():
        receiver.subscribe(name, qos=1)
    publisher = join(cluster, "c", name)
    _, told = explain(cluster, name, node="b", client_id=name)
    assert set(told) == set(receivers) and len({row["node"] for row in told.values()}) > 1
    with traced(cluster, client_id=name) as trace:
        publish(publisher, name)
        for client_id, receiver in receivers.items():
            receiver.take(topic=name)
            sent = trace.wait("sent", client_id=client_id)
            assert sent["node"] == told[client_id]["node"]
        home = trace.wait("received")["node"]
        away = next(row["node"] for row in told.values() if row["node"] != home)
        assert trace.wait("forwarded", nodes=[away])["node"] == home
        trace.wait("taken", node=away, nodes=[home])
        assert len({event["message"] for event in trace.events}) == 1


def test_a_client_comes_and_goes(cluster, name):
    with traced(cluster, client_id=name) as trace:
        first = join(cluster, "a", name)
        first.subscribe("t")
        first.unsubscribe("t")
        second = join(cluster, "b", name)
        assert "another connection has this client id" in trace.wait("disconnected")["why"]
        second.disconnect()
        wait_until(lambda: trace.read() and trace.steps().count("disconnected") == 2, DEADLINE, "it is gone twice")
        assert trace.steps() == ["connected", "subscribed", "unsubscribed", "disconnected", "connected", "disconnected"]
        assert "DISCONNECT" in trace.events[-1]["why"]


def test_a_client_is_refused(cluster):
    with traced(cluster, client_id="mute") as trace:
        client = Client(cluster.nodes["b"].address, 5)
        client.send(wire.connect(5, "mute", will=wire.will("acl/will", b"x")))
        client.expect_refused(0x87)
        assert "the access rules forbid the will" in trace.wait("refused")["why"]


def test_bounds_and_bad_requests(cluster):
    node = cluster.nodes["a"]

    def start(status=201, **body):
        return api(node, "/api/v1/traces", "POST", body, status=status)
    for wrong in ({}, {"client_id": "a", "topic": "t"}, {"topic": "a#"}, {"topic": "t", "seconds": 0}, {"topic": "t", "seconds": 3601},
                  {"topic": "t", "x": 1}, {"topic": 5}):
        start(**wrong, status=400)
    ids = [start(topic=f"t/{number}")["id"] for number in range(8)]
    start(topic="one more", status=429)
    for other in ("b", "c"):
        assert {trace["id"] for trace in api(cluster.nodes[other], "/api/v1/traces")["traces"]} == set(ids)
    # Whichever node is asked.
    for number, trace in enumerate(ids):
        api(cluster.nodes[NAMES[number % 3]], f"/api/v1/traces/{trace}", "DELETE")
    path = f"/api/v1/traces/{start(topic='t', seconds=1)['id']}"
    wait_until(lambda: api(node, path)["done"], DEADLINE, "it ends by itself")
    api(node, path, "DELETE")
    api(node, path, "DELETE", status=404)
    api(node, path, after="x", status=400)
    for wrong in ({}, {"topic": ""}, {"topic": "a/+"}, {"topic": "t", "qos": 3}, {"topic": "t", "limit": 0},
                  {"topic": "t", "retain": "maybe"}):
        api(node, "/api/v1/explain", status=400, **wrong)


def control(*arguments):
    path = os.environ.get("SKEINMQCTL") or program().replace("skeinmqd", "skeinmqctl")
    return [path, *arguments]


def test_from_the_command_line(cluster, name):
    server = ["--server", cluster.nodes["b"].admin_url()]
    subscriber, publisher = join(cluster, "a", name + "s"), join(cluster, "c", name + "p")
    subscriber.subscribe(f"{name}/+", qos=1)
    shown = subprocess.run(control("explain", f"{name}/x", "--client", name + "p", *server), capture_output=True, text=True, timeout=60)
    assert shown.returncode == 0, shown
    assert f"publisher  {name}p (connected, its session on node" in shown.stdout
    row = next(line.split() for line in shown.stdout.splitlines() if line.startswith(name + "s"))
    assert row[2:6] == [f"{name}/+", "1", "connected", "deliver"]
    as_json = subprocess.run(control("explain", f"{name}/x", "--json", *server), capture_output=True, text=True, timeout=60)
    assert json.loads(as_json.stdout)["receivers"][0]["client_id"] == name + "s"

    running = subprocess.Popen(control("trace", "--topic", f"{name}/#", "--json", *server), stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    try:
        assert "following" in running.stderr.readline()
        publish(publisher, f"{name}/x")
        subscriber.take(topic=f"{name}/x")
        steps = []
        while "acknowledged" not in steps:
            steps.append(json.loads(running.stdout.readline())["step"])
        assert {"received", "sent"} <= set(steps)
        running.send_signal(signal.SIGINT)
        assert running.wait(DEADLINE) == 0
    finally:
        running.kill()
        running.communicate()
    assert api(cluster.nodes["a"], "/api/v1/traces")["traces"] == []
    wrong = subprocess.run(control("trace", *server), capture_output=True, text=True, timeout=60)
    assert wrong.returncode == 3 and "client id or a topic filter" in wrong.stderr
    for_people = subprocess.run(control("trace", "--client", name + "s", "--seconds", "1", *server), capture_output=True, text=True,
                                timeout=60)
    assert for_people.returncode == 0, for_people


def test_a_node_that_cannot_be_reached(cluster, name):
    """The last test: a node ends, what is for its sessions waits in the outbox, and goes to it when it is back."""
    subscribers = {client_id: row["node"] for client_id, row in sessions(cluster, name).items()}
    away = next(client_id for client_id, node in subscribers.items() if node == "c")
    publisher_id = next(f"{name}-p{number}" for number in range(1000) if home(cluster, f"{name}-p{number}") == "a")
    publisher = join(cluster, "a", publisher_id)
    with traced(cluster, topic=name) as trace:
        cluster.kill("c")
        wait_until(lambda: explain(cluster, name)[0]["silent_nodes"] == ["c"], DEADLINE, "node c is silent")
        wait_until(lambda: None in explain(cluster, name)[1], DEADLINE, "node c is known to be away")
        answer, receivers = explain(cluster, name, client_id=publisher_id)
        assert receivers[None]["node"] == "c" and receivers[None]["would"] == "queue" and "outbox" in receivers[None]["why"]
        assert explain(cluster, name, qos=0)[1][None]["would"] == "drop"
        assert publish(publisher, name, b"kept") == 0
        assert trace.wait("outbox")["nodes"] == ["c"]
        cluster.start("c")
        cluster.wait_joined("c")
        trace.wait("forwarded", nodes=["c"])
        subscriber = join(cluster, "c", away, LASTING, clean=False)
        assert subscriber.take(topic=name).payload == b"kept"
        # The node that was started again has been told of the trace when it was read.
        assert trace.read() is not None
        publish(publisher, name, b"again")
        subscriber.take(topic=name)
        assert trace.wait("acknowledged", client_id=away, node="c")


def sessions(cluster, topic):
    """Durable sessions, so many that every node has one; by client id, as explain has them."""
    for client_id in cluster.ids(topic):
        cluster.leave_session("a", client_id, topic)
    found = explain(cluster, topic)[1]
    assert {row["node"] for row in found.values()} == set(NAMES)
    return found


def home(cluster, client_id):
    """The node that has the client's session."""
    client = join(cluster, "a", client_id)
    node = explain(cluster, "any", client_id=client_id)[0]["publisher"]["node"]
    client.disconnect()
    return node
