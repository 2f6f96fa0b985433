"""skeinmqctl cluster against real nodes and a real etcd: what it shows, nodes that drain, leave, and are given up."""

import json
import signal

import mqtt_wire as wire
import pytest
from admin_client import ask, cluster_of, control
from etcd import LASTING, EtcdCluster
from mqtt_client import DEADLINE, Client
from mqtt_wire import CONNACK, DISCONNECT, PUBLISH
from support.broker import Broker, free_port, wait_until


@pytest.fixture
def cluster(tmp_path):
    made = EtcdCluster(tmp_path)
    yield made
    made.stop()


def server(broker):
    return ["--server", broker.admin_url()]


def state_of(broker):
    return cluster_of(broker)["state"]


def id_of(cluster, name, prefix):
    """A client id whose session lives on that node: the node tells where its durable subscription is."""
    node = cluster.nodes[name]
    for number in range(1000):
        client = cluster.join(name, f"{prefix}{number}", lasting=True)
        client.subscribe(f"{prefix}/{number}", qos=1)
        routes = ask(node, f"/api/v1/routes?prefix={prefix}/{number}")[1]["routes"]
        owner = [row["node"] for row in routes if row["partition"] is not None and row["filter"] == f"{prefix}/{number}"]
        client.close()
        if owner == [name]:
            return f"{prefix}{number}", f"{prefix}/{number}"
    raise AssertionError("no client id belongs to the node")


def test_what_it_shows(cluster):
    node = cluster.nodes["b"]
    shown = control("status", *server(node))
    assert "state        serving, ready" in shown and "coordinator  etcd, lease held" in shown
    rows = {row[0]: row for row in (line.split() for line in shown.splitlines()) if len(row) == 5}
    assert set(rows) == {"NODE", "a", "b", "c"}
    assert [rows[name][2] for name in ("a", "b", "c")] == ["up", "self", "up"]
    assert sum(int(rows[name][3]) for name in ("a", "b", "c")) == 256
    status = json.loads(control("status", "--output", "json", *server(node)))
    assert {member["node"]: member["partitions"] for member in status["members"]} == cluster.owners()

    partitions = json.loads(control("partitions", "--output", "json", *server(node)))["partitions"]
    assert {row["partition"]: row["node"] for row in partitions} == \
        {int(line.split()[0]): line.split()[2] for line in control("partitions", *server(node)).splitlines()[1:]}

    subscriber = cluster.join("a", "shown-1", lasting=True)
    subscriber.subscribe("shown/+", qos=1)
    for name in ("a", "b", "c"):  # SUBACK: all of them know
        lines = control("routes", "--prefix", "shown", *server(cluster.nodes[name])).splitlines()[1:]
        assert len(lines) == 2 and all(line.endswith("shown/+") for line in lines), lines
        assert len({line.split()[0] for line in lines}) == 1, "the partition's owner has the session"
    assert control("ready", *server(node)) == "ready\n"
    subscriber.close()


def test_what_goes_wrong(cluster, tmp_path):
    node = cluster.nodes["a"]
    nobody = f"http://127.0.0.1:{free_port()}"
    failed = control("status", "--server", nobody, code=1)
    assert f"cannot ask {nobody}" in failed and "is skeinmqd running there" in failed
    assert "cannot be read" in control("status", "--token-file", "/nowhere", *server(node), code=1)
    control("status", "--output", "xml", *server(node), code=2)
    control("leave", "--dead-node", "b", *server(node), code=2)
    control("leave", "--lose-sessions", *server(node), code=2)
    control("leave", "--dead-node", "a/b", "--lose-sessions", *server(node), code=2)
    assert "there is no node 'x'" in control("routes", "--node", "x", *server(node), code=3)
    assert "has no node 'x'" in control("leave", "--dead-node", "x", "--lose-sessions", *server(node), code=3)
    assert "'b' lives" in control("leave", "--dead-node", "b", "--lose-sessions", *server(node), code=3)
    assert "is this node" in control("leave", "--dead-node", "a", "--lose-sessions", *server(node), code=3)
    token = tmp_path / "token"
    token.write_text("0123456789abcdef\n")
    with Broker.start(settings={"admin.token_file": token}) as guarded:
        assert "(--token-file)" in control("status", *server(guarded), code=3)
        assert "coordinator  none" in control("status", "--token-file", str(token), *server(guarded))
        assert "alone" in control("drain", "--token-file", str(token), *server(guarded), code=3)


def test_drain(cluster):
    """All partitions go to the others, the clients are told, and the process waits to be stopped."""
    node = cluster.nodes["c"]
    client_id, topic = id_of(cluster, "c", "drain")
    with_session = cluster.join("c", client_id, lasting=True)
    relayed = cluster.join("c", "relayed-1")  # wherever its session is, the connection is here
    assert "drained" in control("drain", "--wait", "60", *server(node))
    for client in (with_session, relayed):
        assert client.receive().kind == DISCONNECT
        client.close()
    assert state_of(node) == "drained" and node.running()
    status, readiness = ask(node, "/readyz")
    assert status == 503 and readiness["draining"] and "it drains" in control("ready", *server(node), code=1)
    assert set(cluster.owners()) == {"a", "b"}
    late = Client(node.address, 5)
    late.send(wire.connect(5, "late"))
    assert late.receive() is None, "nobody is let in any more"
    late.close()

    publisher = cluster.join("b")
    publisher.publish(topic, b"to the new owner", qos=1)
    with_session = cluster.join("a", client_id, lasting=True)
    assert with_session.expect(PUBLISH, qos=1).payload == b"to the new owner"
    with_session.close()
    publisher.close()
    assert "draining" in control("drain", *server(node)), "twice is as good as once"
    assert "partitions_left=0" in cluster.drain("c")
    cluster.start("c")
    cluster.wait_balanced()


def test_nobody_is_there_to_drain_to(cluster):
    for name in ("a", "b"):
        cluster.drain(name)
    cluster.wait_balanced()
    assert "no other node" in control("drain", *server(cluster.nodes["c"]), code=3)
    assert "no other node" in control("leave", *server(cluster.nodes["c"]), code=3)
    assert ask(cluster.nodes["c"], "/readyz")[0] == 200


def test_leave(cluster):
    node = cluster.nodes["c"]
    number = cluster_of(node)["number"]
    assert control("leave", "--wait", str(int(DEADLINE * 3)), *server(node)) == "left\n"
    assert node.process.wait(DEADLINE) == 0
    assert "cluster.left" in node.log()
    cluster.nodes.pop("c").discard()
    assert set(cluster.etcd.values("/skeinmq/skeinmq/nodes/")) == set(cluster.etcd.values("/skeinmq/skeinmq/live/")) == {"a", "b"}
    cluster.wait_balanced()
    wait_until(lambda: [member["node"] for member in cluster_of(cluster.nodes["a"])["members"]] == ["a", "b"], DEADLINE,
               "the others do not count on it")
    cluster.start("d")
    cluster.start("c")  # a new node, for whom the old data directory is good enough
    cluster.wait_balanced()
    assert cluster_of(cluster.nodes["d"])["number"] == number, "the number was free"


def test_a_node_does_not_leave_with_what_waits_in_its_outbox(cluster):
    client_id, topic = id_of(cluster, "c", "kept")
    cluster.kill("c")
    publisher = cluster.join("b")
    publisher.publish(topic, b"for one who is away", qos=1)
    publisher.close()
    node = cluster.nodes["b"]
    assert "has not left" in control("leave", "--wait", "1", *server(node), code=1)
    wait_until(lambda: "messages wait here" in node.log(), DEADLINE * 3, "it says what keeps it")
    assert node.running()
    cluster.start("c")
    assert node.process.wait(DEADLINE * 3) == 0
    assert "cluster.left" in node.log()
    cluster.nodes.pop("b").discard()
    subscriber = cluster.join("a", client_id, lasting=True)
    assert subscriber.expect(PUBLISH, qos=1).payload == b"for one who is away"
    subscriber.close()


def test_a_node_that_is_dead_for_good(cluster):
    client_id, topic = id_of(cluster, "c", "lost")
    publisher = cluster.join("a")
    cluster.kill("c")
    node = cluster.nodes["a"]

    def given_up():
        status, answer = ask(node, "/api/v1/cluster/nodes/c/leave", "POST", '{"lose_sessions": true}')
        assert status == 200 or (status == 409 and "lives" in answer["error"]), answer
        return status == 200
    assert ask(node, "/api/v1/cluster/nodes/c/leave", "POST", "{}")[0] == 400
    wait_until(given_up, DEADLINE, "its lease runs out, then it is taken out")
    cluster.wait_balanced()
    assert set(cluster.owners()) == {"a", "b"}
    # The session is gone, and nobody is refused for its sake or knows of its filter.
    for name in ("a", "b"):
        wait_until(lambda name=name: ask(cluster.nodes[name], f"/api/v1/routes?prefix={topic}")[1]["routes"] == [], DEADLINE,
                   "its routes are gone")
    publisher.publish(topic, qos=1)
    again = Client(cluster.nodes["b"].address, 5)
    again.send(wire.connect(5, client_id, clean=False, props=LASTING))
    assert not again.expect(CONNACK, reason=0).session_present
    again.close()
    publisher.close()
    # If it comes back after all, it is a new node, and what it still has on its disk does not count.
    cluster.start("c")
    cluster.wait_balanced()


def test_a_node_that_was_given_up_while_it_hung_ends(cluster):
    node = cluster.nodes["c"]
    node.process.send_signal(signal.SIGSTOP)
    try:
        wait_until(lambda: ask(cluster.nodes["a"], "/api/v1/cluster/nodes/c/leave", "POST", '{"lose_sessions": true}')[0] == 200,
                   DEADLINE, "it is given up")
    finally:
        node.process.send_signal(signal.SIGCONT)
    assert node.process.wait(DEADLINE) == 0
    assert "an operator has removed this node" in node.log()
    cluster.nodes.pop("c").discard()
    cluster.wait_balanced()
