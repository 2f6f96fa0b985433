"""What a node tells about itself to Prometheus and to probes."""

import calendar
import contextlib
import json
import pathlib
import re
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest

import mqtt_wire as wire
from admin_client import ask
from mqtt_client import DEADLINE, Client
from mqtt_wire import CONNACK, PUBLISH
from secure import HASH, Certificates, SecureBroker
from support.broker import Broker, free_port, wait_until
from support.metrics import Scrape, fetch, names, value, wait_value
from test_cluster import Cluster

DOCUMENT = pathlib.Path(__file__).resolve().parents[2] / "docs/metrics.md"
TOKEN = "0123456789abcdef0123456789abcdef"
LASTING = [(wire.SESSION_EXPIRY, 1000)]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    made = Cluster(tmp_path_factory.mktemp("cluster"), settings={"sys.interval": "1s", "sys.client_events": "true"})
    yield made
    made.stop()


def join(broker, client_id="", lasting=False, **fields):
    return Client(broker.address, 5).handshake(client_id, clean=not lasting, props=LASTING if lasting else [], **fields)


def test_every_metric_is_documented_and_every_documented_one_is_there(broker):
    text = fetch(broker)
    table = DOCUMENT.read_text().split("## All metrics")[1].split("\n## ")[0]
    assert names(text) == set(re.findall(r"^\| `(\w+)` \| [cgh] \|", table, re.M))
    kinds = dict(re.findall(r"^\| `(\w+)` \| ([cgh]) \|", table, re.M))
    assert kinds == {name: kind[0] for name, kind in re.findall(r"^# TYPE (\w+) (\w)", text, re.M)}


def test_promtool_finds_nothing(broker):
    with contextlib.closing(join(broker)):
        done = subprocess.run(["promtool", "check", "metrics"], input=fetch(broker), capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_figures_that_move(start_broker):
    broker = start_broker(shards=2, settings={"limits.max_queued_messages": 2})
    with contextlib.closing(join(broker, "away", lasting=True)) as client:
        client.subscribe("q/#", qos=1)
        client.disconnect()
    before = Scrape(broker)
    subscriber, publisher, old = join(broker), join(broker), Client(broker.address, 4).handshake()
    subscriber.subscribe("t", "#", qos=1)
    for number in range(3):
        publisher.publish("q/x", b"12345", qos=1)
        subscriber.acknowledge(subscriber.receive())
    publisher.publish("$kept", b"xyz", retain=True, qos=1)
    publisher.publish("$nobody", b"", qos=1)
    subscriber.barrier()
    now = Scrape(broker)

    def grew(name, **labels):
        return now(name, **labels) - before(name, **labels)
    assert grew("skeinmq_messages_total", direction="in", qos=1) == 5
    assert grew("skeinmq_messages_total", direction="out", qos=1) == 3
    assert grew("skeinmq_payload_bytes_total", direction="in") == 3 * 5 + 3
    assert grew("skeinmq_payload_bytes_total", direction="out") == 3 * 5
    assert grew("skeinmq_packets_total", direction="in", packet="CONNECT") == 3
    assert grew("skeinmq_packets_total", direction="out", packet="PUBACK") == 5
    assert grew("skeinmq_bytes_total", direction="in") > 100
    assert grew("skeinmq_messages_dropped_total", reason="queue_full") == 1
    assert grew("skeinmq_limit_hits_total", limit="max_queued_messages") == 1
    assert grew("skeinmq_messages_dropped_total", reason="no_subscriber") == 1
    assert 1 <= grew("skeinmq_publish_ack_seconds_count", qos=1) <= 5, "a sample of them"
    assert 1 <= grew("skeinmq_publish_deliver_seconds_count", qos=1) <= 3
    assert grew("skeinmq_authentications_total", result="success") == 3
    assert grew("skeinmq_connections_accepted_total") >= 3
    assert grew("skeinmq_commit_seconds_count") > 0 and grew("skeinmq_fsync_seconds_count") > 0
    assert grew("skeinmq_event_loop_lag_seconds_count") > 0 and grew("process_cpu_seconds_total") >= 0
    assert now("skeinmq_connections", protocol_version="5.0") == 2 and now("skeinmq_connections", protocol_version="3.1.1") == 1
    assert now("skeinmq_sessions", kind="durable", state="offline") == 1 and now("skeinmq_sessions", state="connected") == 3
    assert now("skeinmq_subscriptions") == 3 and now("skeinmq_subscriptions", kind="durable") == 1
    assert now("skeinmq_queued_messages") == 2 and now("skeinmq_queued_bytes") > 10
    assert now("skeinmq_retained_messages") == 1
    assert now("skeinmq_routes", peer="self") == 3
    assert 0 < now("skeinmq_disk_free_bytes") <= now("skeinmq_disk_size_bytes")
    assert now("skeinmq_build_info") == 1 and now("process_open_fds") > 10
    assert now("skeinmq_start_time_seconds") > 1_700_000_000
    # Nothing is lost of a client that goes.
    publisher.disconnect()
    old.drop()
    wait_value(broker, "skeinmq_disconnects_total", 1, DEADLINE, reason="closed")
    assert value(broker, "skeinmq_disconnects_total", reason="client") - before("skeinmq_disconnects_total", reason="client") == 1
    assert value(broker, "skeinmq_connections") == 1
    with contextlib.closing(join(broker, "away", lasting=True)) as client:
        assert client.receive().kind == PUBLISH
        assert value(broker, "skeinmq_inflight_messages") == 2 and value(broker, "skeinmq_queued_messages") == 0
    subscriber.close()


def test_who_may_read_them(start_broker, tmp_path):
    token_file = tmp_path / "token"
    token_file.write_text(TOKEN + "\n")
    closed = start_broker(settings={"admin.token_file": token_file, "admin.metrics": "token"})
    with pytest.raises(urllib.error.HTTPError) as refused:
        fetch(closed)
    assert refused.value.code == 401
    assert "skeinmq_build_info" in fetch(closed, TOKEN)
    off = start_broker(settings={"admin.metrics": "off"})
    with pytest.raises(urllib.error.HTTPError) as refused:
        fetch(off)
    assert refused.value.code == 404


def test_reloads_and_certificates(tmp_path):
    certificates = Certificates(tmp_path / "pki")
    cert, key = certificates.files("server")
    with SecureBroker(tmp_path, {"front": f"tls://127.0.0.1:0?cert_file={cert}&key_file={key}"}) as site:
        said = subprocess.run(["openssl", "x509", "-in", cert, "-noout", "-enddate", "-dateopt", "iso_8601"], capture_output=True,
                              text=True, check=True).stdout
        ends = calendar.timegm(time.strptime(said.strip(), "notAfter=%Y-%m-%d %H:%M:%SZ"))
        assert value(site.running, "skeinmq_tls_certificate_not_after_timestamp_seconds", listener="front") == ends
        site.config.write_text("bans: nonsense\n")
        wait_value(site.running, "skeinmq_config_reloads_total", lambda count: count >= 1, DEADLINE, result="failure")
        assert value(site.running, "skeinmq_config_last_reload_successful") == 0
        site.config.write_text("log: {level: debug}\n")
        wait_value(site.running, "skeinmq_config_reloads_total", lambda count: count >= 1, DEADLINE, result="success")
        assert value(site.running, "skeinmq_config_last_reload_successful") == 1


def test_logins_that_find_no_room(tmp_path):
    users = tmp_path / "users"
    users.write_text("ann:" + HASH.replace("$101$", "$300000$") + "\n")  # each takes its time
    more = f"authentication: [{{name: users, type: password_file, file: {users}}}]\nsecurity: {{worker_threads: 1, worker_queue: 1}}\n"
    with SecureBroker(tmp_path, {"main": "tcp://127.0.0.1:0?authentication=users"}, more) as site, contextlib.ExitStack() as all_of_them:
        assert value(site.running, "skeinmq_worker_queue_full_total") == 0
        clients = [all_of_them.enter_context(contextlib.closing(site.client("main"))) for _ in range(40)]
        for number, client in enumerate(clients):
            client.send(wire.connect(5, f"c{number}", user="ann", password=f"wrong {number}"))
        reasons = [client.expect(CONNACK).reason for client in clients]
        busy = reasons.count(0x89)
        assert busy > 0 and set(reasons) == {0x86, 0x89}
        assert value(site.running, "skeinmq_worker_queue_full_total") == busy
        assert value(site.running, "skeinmq_refusals_total", code="0x89") == busy


def test_probes(broker):
    wait_until(lambda: ask(broker, "/startupz") == (200, {"ok": True, "reasons": []}), DEADLINE, "it has started")
    assert ask(broker, "/livez") == (200, {"ok": True, "reasons": [], "live": True})
    status, readiness = ask(broker, "/readyz")
    assert status == 200 and readiness["ok"] and readiness["reasons"] == []


def test_a_starting_node_is_alive_and_not_ready(start_broker, tmp_path):
    port, other = free_port(), free_port()
    arguments = ["--node-id", "a", "--cluster-listen", f"127.0.0.1:{port}", "--peers", f"a=127.0.0.1:{port},b=127.0.0.1:{other}"]
    broker = Broker._launch(2, {"cluster.join_timeout_ms": 3_600_000}, arguments, None, "127.0.0.1", tmp_path / "data", None, None, ())
    try:
        wait_until(lambda: ask(broker, "/startupz")[1]["reasons"] == ["the other nodes' routes are not known yet"], DEADLINE, "it waits")
        assert ask(broker, "/startupz")[0] == 503
        assert ask(broker, "/livez")[0] == 200
        status, readiness = ask(broker, "/readyz")
        assert status == 503 and "clients are not let in yet" in readiness["reasons"]
    finally:
        broker.discard()


def test_a_cluster(cluster, name):
    for node in cluster.nodes.values():
        wait_value(node, "skeinmq_peer_round_trip_seconds_count", lambda count: count >= 2, DEADLINE)
    scrapes = {node: Scrape(broker) for node, broker in cluster.nodes.items()}
    for now in scrapes.values():
        assert now("skeinmq_cluster_members", state="active") == 3 and now("skeinmq_peer_up") == 2
        assert now("skeinmq_partitions_unavailable") == 0 and now("skeinmq_cluster_version_mismatch") == 0
        assert now("skeinmq_coordinator_lease") == 1
    assert sum(now("skeinmq_partitions_led") for now in scrapes.values()) == 256
    subscribers = [cluster.join(node) for node in ("a", "b", "c")]
    for subscriber in subscribers:
        subscriber.subscribe(f"{name}/t", qos=1)
    publisher = cluster.join("a")
    publisher.publish(f"{name}/t", b"x", qos=1)
    for subscriber in subscribers:
        subscriber.acknowledge(subscriber.receive())
        subscriber.barrier()
    after = {node: Scrape(broker) for node, broker in cluster.nodes.items()}

    def grew(metric, **labels):
        return sum(after[node](metric, **labels) - scrapes[node](metric, **labels) for node in after)
    assert grew("skeinmq_messages_total", direction="in", qos=1) == 1
    assert grew("skeinmq_messages_total", direction="out", qos=1) == 3
    sent = grew("skeinmq_forwarded_messages_total", direction="out", qos=1)
    assert sent == grew("skeinmq_forwarded_messages_total", direction="in", qos=1) and sent >= 2
    assert grew("skeinmq_peer_bytes_total", direction="in") > 0
    assert sum(after[node]("skeinmq_connections") for node in after) == 4
    for client in (*subscribers, publisher):
        client.close()


def query(port, expression):
    url = f"http://127.0.0.1:{port}/api/v1/query?" + urllib.parse.urlencode({"query": expression})
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return [float(each["value"][1]) for each in json.load(answer)["data"]["result"]]
    except OSError:
        return []


def test_prometheus_reads_three_nodes(cluster, tmp_path):
    targets = [node.admin_url().removeprefix("http://") for node in cluster.nodes.values()]
    (tmp_path / "prometheus.yml").write_text(json.dumps({
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
        "scrape_configs": [{"job_name": "skeinmq", "static_configs": [{"targets": targets}]}]}))
    port = free_port()
    with open(tmp_path / "log", "wb") as log:
        prometheus = subprocess.Popen(
            ["prometheus", f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data",
             f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
    try:
        wait_until(lambda: query(port, "sum(up)") == [3], DEADLINE, "all are up: " + (tmp_path / "log").read_text()[-500:])
        wait_until(lambda: query(port, "sum(skeinmq_partitions_led)") == [256], DEADLINE, "the partitions add up")
        assert query(port, "count(skeinmq_peer_up == 1)") == [6]
        quantile = "histogram_quantile(0.99, sum by (le) (skeinmq_event_loop_lag_seconds_bucket))"
        wait_until(lambda: query(port, quantile) and 0 < query(port, quantile)[0] < 60, DEADLINE, "a quantile")
    finally:
        prometheus.terminate()
        prometheus.wait()


def test_a_node_that_is_away(cluster, name):
    for client_id in cluster.ids(name):
        cluster.leave_session("a", client_id, f"{name}/{client_id}")
    cluster.kill("c")
    rest = cluster.nodes["a"]
    wait_value(rest, "skeinmq_peer_up", 0, DEADLINE, peer="c")
    assert value(rest, "skeinmq_partitions_unavailable") > 0 and value(rest, "skeinmq_cluster_members", state="away") == 1
    publisher = cluster.join("a")
    for client_id in cluster.ids(name):
        publisher.publish(f"{name}/{client_id}", b"x", qos=1)
    assert sum(value(cluster.nodes[node], "skeinmq_outbox_messages") for node in "ab") > 0
    publisher.close()
    cluster.start("c")
    cluster.wait_joined("c")
    wait_until(lambda: sum(value(cluster.nodes[node], "skeinmq_outbox_messages") for node in "ab") == 0, DEADLINE, "the outbox is empty")
    assert sum(value(cluster.nodes[node], "skeinmq_outbox_sent_total") for node in "ab") > 0
