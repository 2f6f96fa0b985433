"""A whole cluster comes back from the backups of its running nodes, as docs/operations.md says: each session on its node, with its
queue, and all retained messages. What came after the backup is gone."""

import json
import shutil

import mqtt_wire as wire
import pytest
from admin_client import ask
from mqtt_client import DEADLINE
from mqtt_wire import PINGRESP, PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL
from support.broker import wait_until
from test_cluster import NAMES, Cluster
from test_ctl_admin import ctl

SESSIONS = [f"client-{number}" for number in range(12)]


@pytest.fixture
def cluster(tmp_path):
    made = Cluster(tmp_path, settings={"backup.directory": tmp_path / "backups"})
    wait_ready(made)
    yield made
    made.stop()


def wait_ready(cluster):
    for name, node in cluster.nodes.items():
        wait_until(lambda node=node: ask(node, "/readyz")[0] == 200, DEADLINE, f"{name} is ready")


def server(cluster, name):
    return ["--server", cluster.nodes[name].admin_url()]


def owners(cluster):
    """Which node each session lives on, as the node that is asked tells of all."""
    listed = json.loads(ctl("clients", "list", "--json", *server(cluster, "b")))["clients"]
    return {row["client_id"]: row["owner"] for row in listed if row["client_id"] in SESSIONS}


def expect_messages(client, count):
    """Takes that many messages with their acknowledgements; what came, by QoS and text."""
    got = []
    while len(got) < count:
        packet = client.receive()
        assert packet.kind in (PUBLISH, PUBREL), packet
        if packet.kind == PUBREL:
            client.send(wire.ack(5, PUBCOMP, packet.packet_id))
            continue
        got.append((packet.qos, packet.payload.decode()))
        client.send(wire.ack(5, PUBACK if packet.qos == 1 else PUBREC, packet.packet_id))
    return got


def nothing_more(client):
    client.send(wire.pingreq())
    while (packet := client.receive()).kind == PUBREL:
        client.send(wire.ack(5, PUBCOMP, packet.packet_id))
    assert packet.kind == PINGRESP, packet


def restore(cluster, backups):
    """As in docs/operations.md: all stop, each data directory makes way for its backup, all start."""
    for name in NAMES:
        cluster.nodes.pop(name).stop()
    for name in NAMES:
        shutil.rmtree(cluster.folder / name)
        shutil.copytree(backups[name], cluster.folder / name)
        assert "sound" in ctl("store", "verify", "--data-dir", str(cluster.folder / name))
    for name in NAMES:
        cluster.start(name)
    wait_ready(cluster)


def test_a_whole_cluster(cluster):
    for number, client_id in enumerate(SESSIONS):
        client = cluster.join(NAMES[number % 3], client_id, lasting=True)
        client.subscribe(f"to/{client_id}", qos=2)
        client.subscribe("to/all", qos=1)
        client.disconnect()
    before = owners(cluster)
    assert set(before) == set(SESSIONS) and set(before.values()) == set(NAMES), "every node has some"
    for name in NAMES:
        publisher = cluster.join(name)
        for client_id in SESSIONS:
            publisher.publish(f"to/{client_id}", f"once from {name}".encode(), qos=2)
        publisher.publish("to/all", f"to all from {name}".encode(), qos=1)
        publisher.publish(f"kept/{name}", b"then", qos=1, retain=True)
        publisher.disconnect()

    made = json.loads(ctl("backup", "whole", "--json", *server(cluster, "b")))["nodes"]
    backups = {row["node"]: row["path"] for row in made}
    assert set(backups) == set(NAMES) and all(row["done"] for row in made)

    late = cluster.join("a")
    late.publish("to/all", b"later", qos=1)
    late.publish("kept/a", b"later", qos=1, retain=True)
    late.publish("kept/later", b"later", qos=1, retain=True)
    consumer = cluster.join("c", SESSIONS[0], lasting=True)
    expect_messages(consumer, 7)
    consumer.disconnect()
    late.disconnect()

    restore(cluster, backups)
    assert owners(cluster) == before
    wanted = sorted([(2, f"once from {name}") for name in NAMES] + [(1, f"to all from {name}") for name in NAMES])
    for number, client_id in enumerate(SESSIONS):
        client = cluster.join(NAMES[(number + 1) % 3], client_id, lasting=True)
        assert client.connack.session_present, client_id
        assert sorted(expect_messages(client, 6)) == wanted, client_id
        nothing_more(client)
        client.disconnect()
    for name in NAMES:
        reader = cluster.join(name)
        reader.subscribe("kept/#")
        found = [reader.expect(PUBLISH, retain=True) for _ in NAMES]
        assert {packet.topic: packet.payload for packet in found} == {f"kept/{node}": b"then" for node in NAMES}, name
        nothing_more(reader)
        reader.disconnect()
    # Subscriptions are routes again: what is published now reaches sessions on every node.
    publisher = cluster.join("b")
    publisher.publish("to/all", b"now", qos=1)
    publisher.disconnect()
    for client_id in SESSIONS:
        client = cluster.join("a", client_id, lasting=True)
        assert expect_messages(client, 1) == [(1, "now")]
        client.disconnect()
