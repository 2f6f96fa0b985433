"""The admin API of three nodes: each answer covers all of them, whichever is asked, and is as docs/openapi.json says."""

import base64
import json

import mqtt_wire as wire
import pytest
from admin_client import ask
from admin_document import ASKED, DOCUMENT, api, quoted
from mqtt_client import DEADLINE, Client
from mqtt_wire import CONNACK, DISCONNECT, PUBLISH
from support.broker import wait_until
from test_cluster import LASTING, NAMES, Cluster


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cluster")
    made = Cluster(folder, settings={"backup.directory": folder / "backups"})
    for name in NAMES:
        wait_until(lambda name=name: ask(made.nodes[name], "/readyz")[0] == 200, DEADLINE, f"{name} is ready")
    yield made
    made.stop()


@pytest.fixture
def node(cluster):
    return cluster.nodes["b"]


def pages(broker, path, rows, **query):
    """All rows, page by page, and how many pages there were."""
    found, count, cursor = [], 0, {}
    while True:
        answer = api(broker, path, **query, **cursor)
        found += answer[rows]
        count += 1
        if answer["next"] is None:
            return found, count
        cursor = {"cursor": answer["next"]}


def kinds_of(events, client_id):
    return [event["kind"] for event in events if event["client_id"] == client_id]


def test_clients_of_all_nodes(cluster, name):
    ids = sorted(f"{name}-{number:02}" for number in range(9))
    clients = {client_id: cluster.join(NAMES[i % 3], client_id, lasting=i % 2 == 0) for i, client_id in enumerate(ids)}
    clients[ids[0]].disconnect()
    for asked in NAMES:
        found, count = pages(cluster.nodes[asked], "/api/v1/clients", "clients", prefix=name, limit=4)
        assert [row["client_id"] for row in found] == ids and count == 3, f"asked {asked}"
    rows = {row["client_id"]: row for row in found}
    assert rows[ids[0]]["node"] is None and not rows[ids[0]]["connected"] and rows[ids[0]]["durable"]
    for i, client_id in enumerate(ids[1:], 1):
        row = rows[client_id]
        assert row["node"] == NAMES[i % 3] and row["protocol_version"] == "5.0" and row["owner"] in NAMES
        assert row["connected_at"] and row["address"].startswith("127.0.0.1:")
    assert len({row["owner"] for row in found}) > 1, "sessions live on several nodes"
    node = cluster.nodes["a"]
    assert [row["client_id"] for row in api(node, "/api/v1/clients", prefix=name, connected=False)["clients"]] == ids[:1]
    at_c = api(node, "/api/v1/clients", prefix=name, node="c", connected=True)["clients"]
    assert [row["client_id"] for row in at_c] == ids[2::3]
    assert api(node, "/api/v1/clients", prefix=name, username="nobody")["clients"] == []
    assert api(node, "/api/v1/clients", prefix=name, listener=rows[ids[1]]["listener"])["clients"]
    for query in ("limit=0", "limit=1001", "connected=perhaps", "order=age", "cursor=%2B", "prefx=a"):
        api(node, f"/api/v1/clients?{query}", status=400)
    api(node, "/api/v1/clients", node="x", status=404)
    for client in clients.values():
        client.close()


def test_a_page_goes_on_behind_the_last_one(cluster, node, name):
    """Who comes or goes meanwhile neither repeats nor skips others."""
    ids = [f"{name}-{letter}" for letter in "abcdef"]
    clients = {client_id: cluster.join("a", client_id) for client_id in ids}
    first = api(node, "/api/v1/clients", prefix=name, limit=2)
    clients[ids[1]].close()
    wait_until(lambda: len(api(node, "/api/v1/clients", prefix=name)["clients"]) == 5, DEADLINE, "it is gone")
    clients["new"] = cluster.join("c", f"{name}-aa")
    second = api(node, "/api/v1/clients", prefix=name, limit=2, cursor=first["next"])
    assert [row["client_id"] for row in second["clients"]] == ids[2:4]
    for client in clients.values():
        client.close()


def test_one_client_and_its_end(cluster, node, name):
    client_id = f"{name}/ö #+"  # what a path has to be careful with
    client = cluster.join("a", client_id, lasting=True)
    client.subscribe(f"{name}/+", f"$share/g/{name}/x", qos=2)
    for asked in NAMES:
        detail = api(cluster.nodes[asked], f"/api/v1/clients/{quoted(client_id)}")
        assert detail["client_id"] == client_id and detail["subscriptions"] == 2
        assert {(row["filter"], row["share"], row["qos"]) for row in detail["subscription_list"]} == \
            {(f"{name}/+", None, 2), (f"$share/g/{name}/x", "g", 2)}
    api(node, f"/api/v1/clients/{name}-nobody", status=404)
    assert api(node, f"/api/v1/clients/{quoted(client_id)}/connection", "DELETE") == {"disconnected": True}
    assert client.expect(DISCONNECT).reason == 0x98
    api(node, f"/api/v1/clients/{quoted(client_id)}/connection", "DELETE", status=404)
    assert not api(node, f"/api/v1/clients/{quoted(client_id)}")["connected"], "the session stays"
    again = cluster.join("c", client_id, lasting=True)
    assert api(node, f"/api/v1/clients/{quoted(client_id)}/session", "DELETE") == {"deleted": True}
    assert again.expect(DISCONNECT).reason == 0x98
    api(node, f"/api/v1/clients/{quoted(client_id)}", status=404)
    api(node, f"/api/v1/clients/{quoted(client_id)}/session", "DELETE", status=404)
    third = Client(cluster.nodes["a"].address, 5)
    third.send(wire.connect(5, client_id, clean=False, props=LASTING))
    assert not third.expect(CONNACK, reason=0).session_present
    for each in (client, again, third):
        each.close()


def test_queues(cluster, node, name):
    """What waits for a durable session, and who waits for most."""
    publisher = cluster.join("a")
    for client_id, messages in ((f"{name}-short", 2), (f"{name}-long", 5)):
        cluster.leave_session("b", client_id, f"{name}/{client_id}")
        for number in range(messages):
            publisher.publish(f"{name}/{client_id}", f"{number}" * 2000 if number == 0 else f"{number}", qos=1)
    for asked in NAMES:
        queue = api(cluster.nodes[asked], f"/api/v1/clients/{name}-long/queue", limit=3)
        assert queue["total"] == 5 and [message["payload_bytes"] for message in queue["messages"]] == [2000, 1, 1]
        assert len(base64.b64decode(queue["messages"][0]["payload_base64"])) == 1024
        assert base64.b64decode(queue["messages"][1]["payload_base64"]) == b"1"
        assert queue["messages"][0]["topic"] == f"{name}/{name}-long" and queue["messages"][0]["packet_id"] is None
    slow = api(node, "/api/v1/clients", order="queued", prefix=name)
    assert [(row["client_id"], row["queued_messages"]) for row in slow["clients"]] == [(f"{name}-long", 5), (f"{name}-short", 2)]
    assert slow["next"] is None
    api(node, f"/api/v1/clients/{name}-nobody/queue", status=404)
    # A client that takes and does not acknowledge: in flight.
    taker = Client(cluster.nodes["c"].address, 5)
    taker.send(wire.connect(5, f"{name}-long", clean=False, props=LASTING))
    taker.expect(CONNACK, reason=0)
    for _ in range(5):
        assert taker.receive().kind == PUBLISH
    queue = wait_until(lambda: (lambda q: q if all(m["packet_id"] for m in q["messages"]) else None)(
        api(node, f"/api/v1/clients/{name}-long/queue")), DEADLINE, "all are in flight")
    assert queue["total"] == 5
    assert api(node, f"/api/v1/clients/{name}-long")["inflight"] == 5
    taker.close()
    # One that is not recorded has its queue in memory.
    transient = cluster.join("a", f"{name}-transient")
    transient.subscribe(f"{name}/t", qos=1)
    publisher.publish(f"{name}/t", b"x", qos=1)
    assert transient.receive().kind == PUBLISH
    assert api(node, f"/api/v1/clients/{name}-transient/queue")["total"] == 1
    transient.close()
    publisher.close()
    for client_id in (f"{name}-short", f"{name}-long"):
        api(node, f"/api/v1/clients/{client_id}/session", "DELETE")


def test_subscriptions(cluster, node, name):
    clients = [cluster.join(NAMES[i % 3], f"{name}-{i}") for i in range(4)]
    for client in clients:
        client.subscribe(f"{name}/a", f"{name}/b/#")
    found, count = pages(node, "/api/v1/subscriptions", "subscriptions", filter=f"{name}/a", limit=3)
    assert [(row["client_id"], row["filter"]) for row in found] == [(f"{name}-{i}", f"{name}/a") for i in range(4)] and count == 2
    mine = api(node, "/api/v1/subscriptions", client_id=f"{name}-2")["subscriptions"]
    assert [row["filter"] for row in mine] == [f"{name}/a", f"{name}/b/#"]
    everything, _ = pages(node, "/api/v1/subscriptions", "subscriptions", limit=3)
    assert sum(row["client_id"].startswith(name) for row in everything) == 8
    for client in clients:
        client.close()


def test_publish_and_retained(cluster, node, name):
    subscriber = cluster.join("c")
    subscriber.subscribe(f"{name}/#", qos=1)
    answer = api(node, "/api/v1/publish", "POST", {
        "topic": f"{name}/1", "payload": "héllo", "qos": 1, "retain": True, "content_type": "text/plain", "expiry_seconds": 1000,
        "user_properties": [["a", "1"], ["a", "2"]]})
    assert answer == {"accepted": True, "no_subscriber": False}
    message = subscriber.expect(PUBLISH)
    assert (message.topic, message.payload, message.qos) == (f"{name}/1", "héllo".encode(), 1)
    assert [value for key, value in message.props if key == wire.USER_PROPERTY] == [("a", "1"), ("a", "2")]
    subscriber.acknowledge(message)
    assert api(node, "/api/v1/publish", "POST", {"topic": f"other-{name}", "payload_base64": "AP8=", "qos": 0})["no_subscriber"]
    for number in range(2, 6):
        api(node, "/api/v1/publish", "POST", {"topic": f"{name}/{number}", "payload": "x", "qos": 2, "retain": True})
    topics = [f"{name}/{number}" for number in range(1, 6)]
    for asked in NAMES:
        wait_until(lambda asked=asked: [row["topic"] for row in pages(cluster.nodes[asked], "/api/v1/retained", "messages",
                                                                      filter=f"{name}/#", limit=2)[0]] == topics,
                   DEADLINE, f"{asked} has them all")
    row = api(node, "/api/v1/retained", filter=f"{name}/1")["messages"][0]
    assert base64.b64decode(row["payload_base64"]).decode() == "héllo" and row["expires_at"] and row["stored_at"]
    assert api(cluster.nodes["a"], "/api/v1/retained", "DELETE", filter=f"{name}/#") == {"deleted": 5, "more": False}
    for asked in NAMES:
        wait_until(lambda asked=asked: not api(cluster.nodes[asked], "/api/v1/retained", filter=f"{name}/#")["messages"], DEADLINE,
                   f"{asked} has forgotten them")
    for wrong in ({}, {"topic": "a/+"}, {"topic": "a", "qos": 3}, {"topic": "a", "payload": "x", "payload_base64": "eA=="},
                  {"topic": "a", "payload_base64": "?"}, {"topic": "a", "user_properties": [["a"]]}, {"topic": "a", "retian": True},
                  {"topic": "a", "expiry_seconds": -1}, {"topic": "a", "retain": 1}):
        api(node, "/api/v1/publish", "POST", wrong, status=400)
    for topic in ("$SYS/x", "$skeinmq/bans/client_id/eA"):
        api(node, "/api/v1/publish", "POST", {"topic": topic}, status=403)
    for query in ("", "?filter=a%2F%23%2Fb", "?filter=%24share%2Fg%2Fa"):
        api(node, f"/api/v1/retained{query}", status=400)
    api(node, "/api/v1/retained?filter=%24skeinmq%2F%23", "DELETE", status=403)
    subscriber.close()


def refused(broker, client_id):
    client = Client(broker.address, 5)
    client.send(wire.connect(5, client_id))
    answer = client.expect(CONNACK)
    client.close()
    return answer.reason == 0x8A


def test_bans_are_everywhere(cluster, node, name):
    """Also on a node that was away, and after a restart."""
    client = cluster.join("c", f"{name}-out")
    cluster.kill("c")
    answer = api(node, "/api/v1/bans", "POST", {"client_id": f"{name}-out", "note": "loud"}, status=201)
    assert answer["source"] == "operator" and answer["until"] is None
    assert refused(cluster.nodes["a"], f"{name}-out") or wait_until(lambda: refused(cluster.nodes["a"], f"{name}-out"), DEADLINE,
                                                                    "the other node knows")
    assert refused(node, f"{name}-out")
    cluster.start("c")
    for each in NAMES:
        cluster.wait_joined(each)
    wait_until(lambda: refused(cluster.nodes["c"], f"{name}-out"), DEADLINE, "it is told when it is back")
    bans = [ban for ban in api(node, "/api/v1/bans")["bans"] if ban["client_id"] == f"{name}-out"]
    assert len(bans) == 1 and bans[0]["note"] == "loud" and bans[0]["node"] is None
    api(cluster.nodes["c"], "/api/v1/bans", "DELETE", client_id=f"{name}-out")
    for each in NAMES:
        wait_until(lambda each=each: not refused(cluster.nodes[each], f"{name}-out"), DEADLINE, f"{each} lets it in")
    api(node, "/api/v1/bans", "DELETE", client_id=f"{name}-out", status=404)
    client.close()
    # Who is connected is sent away; clients cannot see or forge what nodes keep.
    client = cluster.join("a", f"{name}-in")
    api(node, "/api/v1/bans", "POST", {"client_id": f"{name}-in", "seconds": 3600}, status=201)
    assert client.expect(DISCONNECT).reason == 0x98
    client.close()
    spy = cluster.join("a")
    spy.send(wire.subscribe(5, 1, [("$skeinmq/#", 1), ("#", 1)]))
    assert spy.receive().codes == [0x87, 1]
    spy.close()
    api(node, "/api/v1/bans", "DELETE", client_id=f"{name}-in")
    for wrong in ({}, {"client_id": ""}, {"client_id": "a", "user_name": "b"}, {"address": "nowhere"}, {"client_id": "a", "seconds": 0},
                  {"client_id": "a", "until": "2001-01-01T00:00:00Z"}, {"client_id": "a", "note": 1}):
        api(node, "/api/v1/bans", "POST", wrong, status=400)


def test_events(cluster, node, name):
    before = api(node, "/api/v1/events")["last"]
    client = cluster.join("c", f"{name}-1")
    cluster.join("a", f"{name}-1").disconnect()
    client.close()
    stranger = Client(cluster.nodes["a"].address, 5)
    stranger.send(wire.connect(5, f"{name}-2", level=9))
    assert stranger.read_packet() is not None
    stranger.close()
    wanted = ["client.connected", "client.disconnected", "client.connected", "client.disconnected"]

    def events():
        return api(node, "/api/v1/events", after=before)["events"]
    found = wait_until(lambda: (lambda e: e if kinds_of(e, f"{name}-1") == wanted else None)(events()), DEADLINE, "all of it is told")
    mine = [event for event in found if event["client_id"] == f"{name}-1"]
    assert "taken over" in mine[1]["reason"].lower() and mine[3]["reason"] == "DISCONNECT"
    assert len({event["node"] for event in mine}) == 1, "the owner of the session tells"
    assert [e for e in events() if e["kind"] == "client.refused" and "protocol" in e["reason"].lower()]
    assert {e["kind"] for e in api(node, "/api/v1/events", after=before, kind="client.refused")["events"]} == {"client.refused"}
    last = api(node, "/api/v1/events", after=before)["last"]
    assert not kinds_of(api(node, "/api/v1/events", after=last)["events"], f"{name}-1"), "nothing is told twice"
    assert {part.split(":")[0] for part in last.split(",")} == set(NAMES)
    assert len(api(node, "/api/v1/events", limit=2)["events"]) == 2
    api(node, "/api/v1/events", after="x", status=400)
    api(node, "/api/v1/events", kind="x", status=400)


def test_overview(cluster, node, name):
    publisher, subscriber = cluster.join("a"), cluster.join("b")
    subscriber.subscribe(f"{name}/x")
    publisher.publish(f"{name}/x", b"1", qos=1)
    subscriber.receive()

    def rows():
        answer = api(node, "/api/v1/overview")
        assert answer["silent_nodes"] == []
        return {row["node"]: row for row in answer["nodes"]}
    found = rows()
    assert set(found) == set(NAMES) and sum(row["partitions"] for row in found.values()) == 256
    assert all(row["linked"] == 2 and row["state"] == "serving" for row in found.values())
    assert found["a"]["messages_in_total"] > 0 and found["a"]["connections"] > 0
    publisher.close()
    subscriber.close()


def test_settings(cluster, node, tmp_path):
    values = {row["key"]: row for row in api(node, "/api/v1/config")["values"]}
    assert values["node.id"] == {"key": "node.id", "value": "b", "source": "flag"}
    assert values["admin.listen"]["source"] == "environment" and values["limits.max_inflight"]["source"] == "default"
    assert values["listeners[0].url"]["source"] == "flag"
    assert api(node, "/api/v1/config", node="c")["node"] == "c"
    api(node, "/api/v1/config", node="x", status=404)
    levels = api(node, "/api/v1/log-level")
    assert levels["level"] == "info" and {row["node"] for row in levels["nodes"]} == set(NAMES)
    api(node, "/api/v1/log-level", "PUT", {"level": "loud"}, status=400)
    changed = api(node, "/api/v1/log-level", "PUT", {"level": "debug"})
    assert {(row["node"], row["level"]) for row in changed["nodes"]} == {(name, "debug") for name in NAMES}
    client = cluster.join("c", "logged")
    wait_until(lambda: any("client.connected" in cluster.nodes[name].log() for name in NAMES), DEADLINE, "debug lines")
    client.close()
    reloaded = api(node, "/api/v1/config/reload", "POST")
    assert {(row["node"], row["reloaded"]) for row in reloaded["nodes"]} == {(name, True) for name in NAMES}
    assert api(node, "/api/v1/log-level")["level"] == "info", "the configuration's again"
    document = ask(node, "/api/v1/openapi.json")[1]
    assert document == DOCUMENT
    api(node, "/api/v1/openapi.json")


def test_what_a_silent_node_is(cluster, node, name):
    client_id = next(each for each in cluster.ids(name, 60) if owner(cluster, each) == "c")
    cluster.kill("c")
    wait_until(lambda: "c" in api(node, "/api/v1/clients", prefix=name)["silent_nodes"], DEADLINE, "it is named")
    assert api(node, "/api/v1/overview")["silent_nodes"] == ["c"]
    assert "c" in api(node, f"/api/v1/clients/{client_id}", status=503)["error"], "perhaps it would know"
    cluster.start("c")
    for each in NAMES:
        cluster.wait_joined(each)
    wait_until(lambda: api(node, "/api/v1/clients", prefix=name)["silent_nodes"] == [], DEADLINE, "it answers")


def owner(cluster, client_id):
    client = cluster.join("a", client_id)
    found = api(cluster.nodes["a"], f"/api/v1/clients/{client_id}")["owner"]
    client.close()
    return found


def test_the_cluster_and_what_is_not_possible(cluster, node):
    api(node, "/livez")
    api(node, "/readyz")
    api(node, "/startupz")
    api(node, "/api/v1/cluster")
    api(node, "/api/v1/partitions")
    api(node, "/api/v1/routes")
    for path, body in (("/api/v1/cluster/drain", None), ("/api/v1/cluster/leave", None),
                       ("/api/v1/cluster/nodes/c/leave", {"lose_sessions": True})):
        api(node, path, "POST", body, status=409)
    status, answer = ask(node, "/api/v1/clients", "POST", "{}")
    assert status == 405 and "GET" in answer["error"]
    api(node, "/api/v1/log-level", "PUT", [], status=400)
    answer = api(node, "/api/v1/backup", "POST", {"name": "../x"}, status=400)
    assert "name" in answer["error"]
    assert json.dumps(answer)


def test_backup_of_all_nodes(cluster, node):
    made = api(node, "/api/v1/backup", "POST", {"name": "one"})
    assert {(row["node"], row["done"]) for row in made["nodes"]} == {(name, True) for name in NAMES}
    assert all(row["path"].endswith(f"one/{row['node']}") and row["bytes"] > 0 for row in made["nodes"])
    twice = api(node, "/api/v1/backup", "POST", {"name": "one"}, status=409)
    assert all(not row["done"] and "there already" in row["error"] for row in twice["nodes"])


def test_all_that_is_documented_was_asked():
    """The unit tests check that all the server knows is documented."""
    documented = {(method.upper(), path) for path, item in DOCUMENT["paths"].items() for method in item}
    # test_trace.py asks for those, test_metrics.py for the one that is no JSON.
    ours = {key for key in documented if "explain" not in key[1] and "trace" not in key[1] and key[1] != "/metrics"}
    assert ours - {(method, path) for method, path, _ in ASKED} == set()
