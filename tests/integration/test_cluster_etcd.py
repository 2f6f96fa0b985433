"""A cluster that grows and shrinks: etcd decides, sessions move, nothing that was acknowledged is lost."""

import contextlib
import json
import socket
import subprocess
import threading

import pytest

from etcd import Etcd, EtcdCluster, Load
from hostile import collect
from mqtt_client import DEADLINE
from secure import Certificates
from support.broker import Broker, BrokerError, free_port, wait_until


@pytest.fixture
def cluster(tmp_path):
    made = EtcdCluster(tmp_path)
    yield made
    made.stop()


def test_sessions_move_to_a_node_that_joins_and_back_when_it_stops(tmp_path, name):
    cluster = EtcdCluster(tmp_path, names=("a",))
    try:
        ids = [f"{name}{number}" for number in range(30)]
        for client_id in ids:
            client = cluster.join("a", client_id, lasting=True)
            client.subscribe(f"{name}/{client_id}", qos=2)
            client.disconnect()
        publisher = cluster.join("a")
        for client_id in ids:
            publisher.publish(f"{name}/{client_id}", b"one", qos=2)
        cluster.start("b")
        cluster.wait_balanced()
        publisher = cluster.join("b")
        for client_id in ids:
            publisher.publish(f"{name}/{client_id}", b"two", qos=1)
        log = cluster.drain("b")
        assert "partitions_left=0" in log
        for client_id in ids:
            client = cluster.join("a", client_id, lasting=True)
            assert client.connack.session_present
            assert [message.payload for message in collect(client, 2)] == [b"one", b"two"]
            client.close()
    finally:
        cluster.stop()


def test_three_nodes_five_nodes_three_nodes_under_load(cluster):
    load = Load(cluster)
    load.progress()
    cluster.start("d")
    cluster.start("e")
    cluster.wait_balanced()
    load.progress()
    for name in ("e", "d"):
        assert "partitions_left=0" in cluster.drain(name)
    cluster.wait_balanced()
    load.progress()
    assert load.finish() > 200


def test_a_rolling_restart_under_load(cluster):
    load = Load(cluster)
    for name in ("a", "b", "c"):
        load.progress()
        assert "partitions_left=0" in cluster.drain(name)
        cluster.start(name)
        cluster.wait_balanced()
    load.progress()
    assert load.finish() > 200


def test_a_node_is_killed_and_comes_back_under_load(cluster):
    load = Load(cluster)
    for name in ("c", "a"):
        load.progress()
        cluster.kill(name)
        cluster.start(name)
        load.progress()
        load.caught_up()  # a node that dies keeps what waits there: it comes later than what is published meanwhile
    assert load.finish() > 100


def test_a_node_is_killed_while_its_sessions_move(cluster):
    load = Load(cluster)
    load.progress()
    for round_number in range(2):
        cluster.start("d")
        cluster.kill("d")
        cluster.start("d")
        cluster.wait_balanced()
        load.progress()
        cluster.drain("d")
    load.progress()
    assert load.finish() > 100


def test_a_node_that_was_killed_while_it_joined_joins_before_etcd_has_forgotten_it(cluster):
    cluster.start("d")
    cluster.wait_balanced()
    record = cluster.etcd.values("/skeinmq/skeinmq/live/")["d"]
    cluster.drain("d")
    # What a kill leaves until the lease runs out. It differs in nothing that others see from what the next life says of itself.
    cluster.etcd.put("/skeinmq/skeinmq/live/d", json.dumps({**record, "state": "joining"}))
    cluster.start("d")
    cluster.wait_balanced()


def test_without_etcd_for_a_while(cluster):
    """The nodes reach each other, so nothing stops; when etcd is back the cluster can change again."""
    load = Load(cluster)
    load.progress()
    cluster.etcd.stop()
    for _ in range(3):
        load.progress(100)
    for node in cluster.nodes.values():
        wait_until(lambda node=node: "coordinator.lease_lost" in node.log(), DEADLINE, "the lease is missed")
    load.progress(50)
    cluster.etcd.start()
    cluster.start("d")
    cluster.wait_balanced()
    load.progress()
    assert load.finish() > 200


def test_who_does_not_belong_is_refused(cluster, tmp_path):
    cluster.drain("c")
    other = tmp_path / "other"
    other.mkdir()
    second = Etcd(other)
    try:
        with pytest.raises(BrokerError) as refused:
            Broker.start(data_dir=tmp_path / "c", arguments=["--node-id", "c", "--cluster-listen", f"127.0.0.1:{free_port()}",
                                                             "--etcd", second.url])
        assert "belongs to another cluster" in str(refused.value)
    finally:
        second.stop()
    alone = Broker.start(data_dir=tmp_path / "alone")
    alone.process.terminate()
    alone.process.wait(DEADLINE)
    with pytest.raises(BrokerError) as refused:
        Broker.start(data_dir=tmp_path / "alone", arguments=["--node-id", "x", "--cluster-listen", f"127.0.0.1:{free_port()}",
                                                             "--etcd", cluster.etcd.url])
    assert "was not part of this cluster" in str(refused.value)
    cluster.etcd.put("/skeinmq/elsewhere/config", json.dumps({"format": 1, "partitions": 64, "id": "x"}))
    with pytest.raises(BrokerError) as refused:
        Broker.start(arguments=["--node-id", "y", "--cluster-listen", f"127.0.0.1:{free_port()}", "--etcd", cluster.etcd.url],
                     settings={"cluster.name": "elsewhere"})
    assert "64 partitions" in str(refused.value)


def test_a_second_process_with_the_name_of_a_node_ends_the_first(cluster, tmp_path):
    first = cluster.nodes["c"]
    cluster.start("c2", node_id="c")
    assert first.process.wait(DEADLINE * 2) == 0
    assert "cluster.replaced" in first.log()


def test_a_node_that_is_there_before_etcd_joins_when_it_comes(tmp_path):
    """As in Kubernetes, where all start at once: several endpoints with certificates, which refuse connections at first."""
    certificates = Certificates(tmp_path / "certificates")
    hosts = [f"127.0.0.{number}" for number in (1, 2, 3)]
    cert, key = certificates.issue("etcd", ",".join(f"IP:{host}" for host in hosts))
    etcd = Etcd(tmp_path, scheme="https", host="0.0.0.0", arguments=["--cert-file", cert, "--key-file", key])
    etcd.stop()
    nodes = []
    try:
        for number in range(8):
            nodes.append(Broker.start(
                wait=False, settings={"cluster.name": f"cluster-{number}", "cluster.etcd_ca_file": certificates.ca},
                arguments=["--node-id", "a", "--cluster-listen", f"127.0.0.1:{free_port()}", "--etcd",
                           ",".join(f"https://{host}:{etcd.port}" for host in hosts)]))
        wait_until(lambda: all("coordinator.unreachable" in node.log() for node in nodes), DEADLINE, "all of them have looked for etcd")
        before = [node.log().count("coordinator.unreachable") for node in nodes]
        etcd.start()
        wait_until(lambda: all("coordinator.lease held=1" in node.log() for node in nodes), 2 * DEADLINE, "all of them have joined")
        looks = [node.log().count("coordinator.unreachable") - was for node, was in zip(nodes, before)]
        assert max(looks) <= 6, f"each look waits for a connection, so that few are needed: {looks}"
    finally:
        for node in nodes:
            node.discard()
        etcd.stop()


class Gate:
    """Stands before an etcd. When it is shut, connections stay and nothing goes through, as when packets are dropped."""

    def __init__(self, port):
        self.to, self.open, self.sockets = port, True, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                near, far = self.listener.accept()[0], socket.create_connection(("127.0.0.1", self.to))
                self.sockets += [near, far]
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=self.carry, args=pair, daemon=True).start()

    def carry(self, source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if self.open:
                    target.sendall(data)

    def close(self):
        for each in (self.listener, *self.sockets):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


def test_a_node_knows_that_its_lease_is_over_before_others_do(tmp_path):
    """Also when no endpoint answers and none refuses: each is waited for, but not for longer than the lease lasts."""
    etcd = Etcd(tmp_path)
    gates = [Gate(etcd.port) for _ in range(3)]
    node = Broker.start(settings={"cluster.lease_seconds": 6},
                        arguments=["--node-id", "a", "--cluster-listen", f"127.0.0.1:{free_port()}", "--etcd",
                                   ",".join(f"http://127.0.0.1:{gate.port}" for gate in gates)])
    try:
        wait_until(lambda: etcd.values("/skeinmq/skeinmq/live/"), DEADLINE, "the node is there")
        for gate in gates:
            gate.open = False

        def is_over():
            return not etcd.values("/skeinmq/skeinmq/live/")
        wait_until(lambda: "coordinator.lease_lost" in node.log() or is_over(), DEADLINE, "the lease is over")
        assert "coordinator.lease_lost" in node.log(), "others count it as gone, and it does not know"
        wait_until(is_over, DEADLINE, "others know")
    finally:
        node.discard()
        for gate in gates:
            gate.close()
        etcd.stop()


def test_etcd_with_certificates_and_a_password(tmp_path):
    certificates = Certificates(tmp_path / "certificates")
    cert, key = certificates.issue("etcd", "DNS:localhost,IP:127.0.0.1")
    client_cert, client_key = certificates.issue("broker")
    etcd = Etcd(tmp_path, scheme="https", arguments=["--cert-file", cert, "--key-file", key, "--client-cert-auth",
                                                     "--trusted-ca-file", certificates.ca])

    def etcdctl(*words):
        return subprocess.run(["etcdctl", "--endpoints", etcd.url, "--cacert", certificates.ca, "--cert", client_cert, "--key",
                               client_key, *words], env={"ETCDCTL_API": "3", "PATH": "/usr/bin:/bin"}, capture_output=True,
                              check=False)
    try:
        wait_until(lambda: etcdctl("endpoint", "health").returncode == 0, DEADLINE, "etcd answers")
        for words in (("user", "add", "root:r00t"), ("user", "grant-role", "root", "root"), ("user", "add", "mq:s3cret"),
                      ("role", "add", "mq"), ("role", "grant-permission", "mq", "--prefix=true", "readwrite", "/skeinmq/"),
                      ("user", "grant-role", "mq", "mq"), ("auth", "enable")):
            done = etcdctl(*words)
            assert done.returncode == 0, (words, done.stderr)
        (tmp_path / "password").write_text("s3cret\n")
        node = Broker.start(data_dir=tmp_path / "a", settings={
            "cluster.etcd_ca_file": certificates.ca, "cluster.etcd_cert_file": client_cert, "cluster.etcd_key_file": client_key,
            "cluster.etcd_user": "mq", "cluster.etcd_password_file": tmp_path / "password"},
            arguments=["--node-id", "a", "--cluster-listen", f"127.0.0.1:{free_port()}", "--etcd", etcd.url])
        wait_until(lambda: "coordinator.lease held=1" in node.log(), DEADLINE, "it has formed the cluster with that user")
        node.stop()
    finally:
        etcd.stop()
