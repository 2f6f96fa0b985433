"""The operators' door: who may ask a node, and what it answers."""

import concurrent.futures
import contextlib
import json
import os
import pathlib
import re
import socket
import subprocess

import mqtt_wire as wire
import pytest
from admin_client import ask, cluster_of
from mqtt_client import DEADLINE, Client
from mqtt_wire import PUBACK, PUBLISH
from support.broker import Broker, BrokerError, accepts, free_port, program, wait_until

TOKEN = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def token_file(tmp_path):
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n")
    return file


def ready(broker):
    """Some shard lets clients in sooner than the node says that all do."""
    wait_until(lambda: ask(broker, "/readyz")[0] == 200, DEADLINE, "it is ready")
    return broker


def subscribe(broker, *filters, **fields):
    client = Client(broker.address, 5).handshake(**fields)
    client.subscribe(*filters)
    return client


def test_a_node_alone(start_broker):
    broker = start_broker(shards=2, arguments=["--node-id", "n1"])
    assert ask(broker, "/livez") == (200, {"ok": True, "reasons": [], "live": True})
    ready(broker)
    assert ask(broker, "/readyz") == (200, {"ok": True, "reasons": [], "ready": True, "serving": True, "joined": True, "lease": True,
                                            "draining": False})
    cluster = cluster_of(broker)
    assert (cluster["node"], cluster["coordinator"], cluster["lease"], cluster["state"]) == ("n1", "none", None, "serving")
    assert [(member["node"], member["partitions"]) for member in cluster["members"]] == [("n1", 256)]
    rows = ask(broker, "/api/v1/partitions")[1]["partitions"]
    assert [row["partition"] for row in rows] == list(range(256)) and {row["node"] for row in rows} == {"n1"}
    for path in ("drain", "leave", "nodes/n1/leave"):
        status, answer = ask(broker, f"/api/v1/cluster/{path}", "POST", '{"lose_sessions": true}')
        assert status == 409 and "alone" in answer["error"], path
    assert ask(broker, "/api/v1/nothing")[0] == 404
    assert ask(broker, "/api/v1/cluster", "POST", "")[0] == 405


def hang_library():
    """What makes a preloaded program hang: $SKEIN_HANG_LIBRARY, or of the build that $SKEINMQD is from."""
    path = os.environ.get("SKEIN_HANG_LIBRARY") or str(pathlib.Path(program()).parents[2] / "tests" / "support" / "libskein_hang.so")
    if not os.access(path, os.R_OK):
        raise BrokerError(f"{path} is not there: set SKEIN_HANG_LIBRARY")
    return path


def test_a_node_that_hangs_is_not_alive(start_broker, tmp_path):
    """A loop and a disk that really hang, for longer than the 30 seconds that are borne; both come back."""
    # AddressSanitizer insists on being the first library.
    asan = ":".join(filter(None, [os.environ.get("ASAN_OPTIONS"), "verify_asan_link_order=0"]))
    broker = ready(start_broker(shards=2, environment={"LD_PRELOAD": hang_library(), "SKEIN_HANG": str(tmp_path), "ASAN_OPTIONS": asan}))
    with contextlib.closing(Client(broker.address, 5).handshake("lasting", clean=False, props=[(wire.SESSION_EXPIRY, 100)])) as client:
        client.subscribe("t", qos=1)
        assert ask(broker, "/livez")[0] == 200
        (tmp_path / "sync").touch()
        client.send(wire.publish(5, "t", b"x", 1, 1))
        wait_until((tmp_path / "sync.held").exists, DEADLINE, "the disk hangs")
        (tmp_path / "loop").touch()
        wait_until((tmp_path / "loop.held").exists, DEADLINE, "a loop hangs")
        status, health = wait_until(lambda: (lambda got: got if len(got[1]["reasons"]) == 2 else None)(ask(broker, "/livez")), 2 * DEADLINE,
                                    "both are told")
        assert status == 503 and health["ok"] is False
        assert re.fullmatch(r"the event loop of shard [01] has not turned for 3\d{4} ms", health["reasons"][0]), health
        assert re.fullmatch(r"the disk has not answered for \d{5} ms", health["reasons"][1]), health
        (tmp_path / "loop").unlink()
        wait_until(lambda: len(ask(broker, "/livez")[1]["reasons"]) == 1, DEADLINE, "the loop turns again")
        (tmp_path / "sync").unlink()
        wait_until(lambda: ask(broker, "/livez")[0] == 200, DEADLINE, "the disk answers again")
        assert {client.receive().kind for _ in range(2)} == {PUBACK, PUBLISH}, "what waited for the disk goes on"


@pytest.mark.parametrize("shards", [1, 2])
def test_routes(start_broker, shards):
    broker = ready(start_broker(shards=shards, arguments=["--node-id", "n1"]))
    with contextlib.closing(subscribe(broker, "a/+", "b", "$share/g/c")), \
            contextlib.closing(subscribe(broker, "a/+", *[f"many/{i:04}" for i in range(1200)])):
        status, answer = ask(broker, "/api/v1/routes?prefix=a")
        assert status == 200 and not answer["truncated"]
        assert [(row["filter"], row["node"], row["partition"]) for row in answer["routes"]] == [("a/+", "n1", None)]
        answer = ask(broker, "/api/v1/routes")[1]
        assert answer["truncated"] and len(answer["routes"]) == 1000
        assert [row["filter"] for row in answer["routes"]][:4] == ["$share/g/c", "a/+", "b", "many/0000"]
        answer = ask(broker, "/api/v1/routes?limit=2&prefix=many%2F11&node=n1")[1]
        assert [row["filter"] for row in answer["routes"]] == ["many/1100", "many/1101"] and answer["truncated"]
    assert ask(broker, "/api/v1/routes?limit=0")[0] == 400
    assert ask(broker, "/api/v1/routes?node=n2")[0] == 404
    wait_until(lambda: ask(broker, "/api/v1/routes")[1]["routes"] == [], DEADLINE, "the routes go with their clients")


def test_many_ask_at_once(start_broker):
    broker = ready(start_broker(shards=2))
    with contextlib.closing(subscribe(broker, *[f"many/{i}" for i in range(500)])):
        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            answers = list(pool.map(lambda _: ask(broker, "/api/v1/routes"), range(400)))
    assert {status for status, _ in answers} <= {200, 503}
    assert all(len(answer["routes"]) == 500 for status, answer in answers if status == 200)
    assert sum(status == 200 for status, _ in answers) >= 300


def test_a_token_is_asked_for(start_broker, token_file):
    broker = start_broker(settings={"admin.token_file": token_file})
    ready(broker)  # probes have none
    assert ask(broker, "/livez")[0] == 200
    for token in (None, "0123456789abcdef", TOKEN + "0"):
        status, answer = ask(broker, "/api/v1/cluster", token=token)
        assert status == 401 and "token" in answer["error"]
    assert ask(broker, "/api/v1/cluster", token=TOKEN)[0] == 200
    token_file.write_text("another-token-that-is-long-enough\n")
    assert ask(broker, "/api/v1/cluster", token=TOKEN)[0] == 401, "it can be changed while the node runs"
    assert TOKEN not in broker.log() and "another-token" not in broker.log()


def test_other_machines_are_let_in_with_a_token_only(start_broker, token_file):
    def check(*arguments):
        return subprocess.run([program(), "--check-config", *arguments], capture_output=True, text=True, timeout=60)

    closed = check("--admin-listen", "0.0.0.0:9883")
    assert closed.returncode == 2 and "needs admin.token_file" in closed.stderr
    missing = check("--admin-listen", "0.0.0.0:9883", "--set", "admin.token_file=/nowhere/token")
    assert missing.returncode == 2 and "admin.token_file: /nowhere/token: cannot be read" in missing.stderr
    assert check("--admin-listen", "0.0.0.0:9883", "--set", f"admin.token_file={token_file}").returncode == 0
    with pytest.raises(BrokerError) as refused:
        start_broker(settings={"admin.token_file": "/nowhere/token"})
    assert "exited with 2" in str(refused.value)
    broker = start_broker(arguments=["--admin-listen", "0.0.0.0:0"], settings={"admin.token_file": token_file})
    assert ask(broker, "/api/v1/cluster")[0] == 401


def test_an_address_in_use_and_none_at_all(start_broker):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = subprocess.run([program(), "--listen", f"tcp://127.0.0.1:{free_port()}", "--admin-listen", address],
                              capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert f"admin.listen: cannot listen on {address}: Address already in use" in done.stderr
    broker = start_broker(settings={"admin.listen": ""})
    wait_until(lambda: "listener.ready" in broker.log(), DEADLINE, "it runs")
    assert "admin.ready" not in broker.log()


def test_who_speaks_slowly_or_too_much_holds_up_nobody(start_broker):
    broker = start_broker()
    host, port = broker.admin_url().removeprefix("http://").split(":")
    slow = [socket.create_connection((host, int(port))) for _ in range(3)]
    for connection in slow:
        connection.sendall(b"GET /api/v1/cluster HTTP/1.1\r\nHost: localhost\r\n")
    assert ask(broker, "/livez")[0] == 200
    assert ask(broker, "/api/v1/cluster/drain", "POST", "x" * 70_000)[0] == 413
    for connection in slow:
        connection.settimeout(DEADLINE)
        assert b" 200 " not in connection.recv(4096), "it is closed when its time is over"
        connection.close()
    assert accepts(broker.address)


def test_web_pages_are_refused(start_broker):
    broker = ready(start_broker())
    assert ask(broker, "/api/v1/cluster/drain", "POST", "", headers={"Origin": "https://evil.example"})[0] == 403
    assert ask(broker, "/api/v1/cluster", headers={"Host": "evil.example"})[0] == 403
    assert ask(broker, "/api/v1/cluster", headers={"Host": "localhost:1"})[0] == 200


def test_probes_are_answered_while_the_node_waits_for_etcd(tmp_path):
    """Else the orchestrator would kill it for that."""
    log = tmp_path / "log"
    with open(log, "wb") as out:
        process = subprocess.Popen([program(), "--listen", f"tcp://127.0.0.1:{free_port()}", "--node-id", "a", "--etcd",
                                    f"http://127.0.0.1:{free_port()}", "--cluster-listen", f"127.0.0.1:{free_port()}"],
                                   stdout=out, stderr=out)
    try:
        broker = Broker(("127.0.0.1", 0), process)
        broker.log = lambda: log.read_text()
        wait_until(lambda: "coordinator.unreachable" in broker.log(), DEADLINE, "it looks for etcd")
        assert ask(broker, "/livez")[0] == 200
        status, answer = ask(broker, "/readyz")
        assert status == 503 and not answer["serving"]
        assert ask(broker, "/api/v1/cluster")[0] == 503
    finally:
        process.terminate()
        assert process.wait(DEADLINE) == 0


def test_a_fixed_list_shows_who_is_away(start_broker):
    ports = {name: free_port() for name in ("a", "b")}
    peers = ",".join(f"{name}=127.0.0.1:{port}" for name, port in ports.items())
    node = start_broker(settings={"cluster.join_timeout_ms": 100},
                        arguments=["--node-id", "a", "--cluster-listen", f"127.0.0.1:{ports['a']}", "--peers", peers])

    def members():
        return {member["node"]: (member["state"], member["linked"]) for member in cluster_of(node)["members"]}
    # One node that is away must not take the others down.
    ready(node)
    assert members() == {"a": ("active", True), "b": ("away", False)}
    other = start_broker(arguments=["--node-id", "b", "--cluster-listen", f"127.0.0.1:{ports['b']}", "--peers", peers])
    wait_until(lambda: members() == {"a": ("active", True), "b": ("active", True)}, DEADLINE, "they are linked")
    assert cluster_of(other)["coordinator"] == "fixed"
    for path in ("drain", "leave", "nodes/b/leave"):
        status, answer = ask(node, f"/api/v1/cluster/{path}", "POST", json.dumps({"lose_sessions": True}))
        assert status == 409 and "fixed list" in answer["error"]
