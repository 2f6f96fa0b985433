"""Nodes of a fixed list that are known by name: a name is looked up anew for each link, as pods come back with other addresses."""

import shutil
import subprocess

import pytest
from mqtt_client import DEADLINE, Client
from support.broker import Broker, free_port, program, wait_until

# A mount namespace of its own, where our file is /etc/hosts.
OWN_HOSTS = 'mount --bind "$1" /etc/hosts; shift; exec "$@"'


def own_hosts(file, *command):
    return ["unshare", "--mount", "--map-root-user", "sh", "-ec", OWN_HOSTS, "sh", str(file), *command]


@pytest.fixture
def hosts(tmp_path):
    file = tmp_path / "hosts"
    file.write_text("127.0.0.1 localhost\n")
    possible = shutil.which("unshare") and subprocess.run(own_hosts(file, "true"), capture_output=True, check=False).returncode == 0
    if not possible:
        pytest.skip("needs a mount namespace of its own for /etc/hosts")
    return file


def test_a_node_comes_back_with_another_address(hosts, tmp_path):
    ports = [free_port(), free_port()]
    peers = f"mq-0=mq-0.test:{ports[0]},mq-1=mq-1.test:{ports[1]}"
    starter = tmp_path / "skeinmqd"
    starter.write_text("#!/bin/sh\nexec " + " ".join(f"'{word}'" for word in own_hosts(hosts, program())) + ' "$@"\n')
    starter.chmod(0o755)

    def start(number, address):
        return Broker.start(binary=str(starter), data_dir=tmp_path / f"mq-{number}", settings={"cluster.join_timeout_ms": 100},
                            arguments=["--node-id", f"mq-{number}", "--cluster-listen", f"{address}:{ports[number]}",
                                       "--peers", peers])

    # In place: it is the file that is mounted. The one with the smaller name dials.
    hosts.write_text("127.0.0.1 localhost mq-0.test\n127.0.0.2 mq-1.test\n")
    first = start(0, "127.0.0.1")
    try:
        for times, address in enumerate(("127.0.0.2", "127.0.0.3"), 1):
            hosts.write_text(f"127.0.0.1 localhost mq-0.test\n{address} mq-1.test\n")
            with start(1, address) as second:
                wait_until(lambda times=times: first.log().count("peer.up node=mq-1") == times, DEADLINE, f"linked at {address}")
                subscriber = Client(second.address, 5).handshake()
                subscriber.subscribe("t")
                publisher = Client(first.address, 5).handshake()
                publisher.publish("t", address.encode(), qos=1)
                assert subscriber.receive().payload == address.encode()
                subscriber.close()
                publisher.close()
    finally:
        first.stop()


def test_a_range_stands_for_all_nodes(tmp_path):
    done = subprocess.run([program(), "--print-config", "--node-id", "mq-1", "--cluster-listen", f"127.0.0.1:{free_port()}",
                           "--peers", "mq-{0..2}=mq-{0..2}.mq-peers:7883"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "mq-0=mq-0.mq-peers:7883,mq-1=mq-1.mq-peers:7883,mq-2=mq-2.mq-peers:7883" in done.stdout
    file = tmp_path / "broker.yaml"
    file.write_text('node: {id: mq-1}\ncluster: {listen: "127.0.0.1:7883", peers: ["mq-{0..2}=mq-{0..2}.mq-peers:7883"]}\n')
    assert subprocess.run([program(), "--check-config", "--config", file], capture_output=True, timeout=60).returncode == 0
