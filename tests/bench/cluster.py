#!/usr/bin/python3
"""What a cluster costs and how long it takes: latency and CPU across nodes, throughput, kill -9, routes, hand-over, joining.

    tests/bench/cluster.py --bench .../skeinmq-bench --skeinmqd .../skeinmqd [--quick] [--parts latency,cpu,...] [--json FILE]

All nodes run on this machine over loopback: what two cores can show is what a cluster costs, not what it gains. Parts:

    latency     one message under way, publish to deliver: on one node, over one link, and with both clients away from their sessions
    cpu         CPU time of all nodes a message, for the same places; one message a write, and 64
    throughput  one node and three nodes, both on core 0, the generator on core 1
    kill        kill -9 of a node, started again at once: until its clients are served
    routes      so many subscriptions at one node: until all SUBACKs are there, so until every node has them; memory a route
    handover    a third node joins while sessions with queues are there: how long each partition was frozen
    join        a third node joins: until it serves clients with all routes, until it has all retained messages

Prints a table and one JSON object. Everything it starts it ends, by process id.
"""

import argparse
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS / "conformance"), str(TESTS / "integration")]
os.environ.setdefault("CONFORMANCE_DEADLINE", "600")
import mqtt_wire as wire  # noqa: E402
from etcd import LASTING, EtcdCluster  # noqa: E402
from mqtt_client import Client  # noqa: E402
from support.broker import Broker, free_port, wait_until  # noqa: E402

NAMES = ("a", "b", "c")
SECONDS = 600.0
SAMPLE = 20  # sessions of a killed node that are looked at


class Fixed:
    """A fixed list of nodes, one shard each; `cpus`: the cores they are pinned to, all alike."""

    def __init__(self, names=NAMES, cpus=None):
        ports = {name: free_port() for name in names}
        peers = ",".join(f"{name}=127.0.0.1:{port}" for name, port in ports.items())
        launcher = ["taskset", "-c", cpus] if cpus else []
        self.nodes = {}
        for name in names:
            cluster = ["--cluster-listen", f"127.0.0.1:{ports[name]}", "--peers", peers] if len(names) > 1 else []
            self.nodes[name] = Broker.start(shards=1, arguments=["--node-id", name, *cluster], launcher=launcher,
                                            settings={"log.level": "debug", "cluster.join_timeout_ms": 100})
        for name in names:
            for other in names:
                wait_until(lambda name=name, other=other: name == other or f"peer.up node={other}" in self.nodes[name].log(), SECONDS,
                           f"{name} is linked with {other}")

    def stop(self):
        for node in self.nodes.values():
            node.discard()

    def cpu(self):
        return sum(cpu_seconds(node.pid) for node in self.nodes.values())

    def id_of(self, owner, prefix):
        """A client id whose session lives there: its node logs the connection."""
        for number in range(1000):
            client_id = f"{prefix}{number}-{owner}"
            client = Client(self.nodes["a"].address, 5).handshake(client_id)
            line = f"client.connected client_id={client_id} "
            found = wait_until(lambda line=line: [name for name, node in self.nodes.items() if line in node.log()], SECONDS, line)
            client.disconnect()
            if found == [owner]:
                return client_id
        raise AssertionError(f"no client id belongs to {owner}")


def cpu_seconds(pid):
    return sum(int((task / "schedstat").read_text().split()[0]) for task in pathlib.Path(f"/proc/{pid}/task").iterdir()) / 1e9


def percentiles(values, scale=1.0):
    ordered = sorted(values)
    return {"p50": round(ordered[len(ordered) // 2] * scale, 3), "p99": round(ordered[int(len(ordered) * 0.99)] * scale, 3)}


class Pair:
    """A publisher and a subscriber of one topic. Where: (node of the publisher, owner of its session, the same of the subscriber)."""

    def __init__(self, cluster, where, qos):
        at, owner, sub_at, sub_owner = where
        self.qos, self.topic = qos, "bench/t"
        self.subscriber = Client(cluster.nodes[sub_at].address, 4).handshake(cluster.id_of(sub_owner, "sub"))
        self.subscriber.subscribe(self.topic, qos=qos)
        self.publisher = Client(cluster.nodes[at].address, 4).handshake(cluster.id_of(owner, "pub"))
        self.packet = wire.publish(4, self.topic, b"x" * 64, qos, 1)
        self.inbound, self.outbound = self.subscriber.socket, self.publisher.socket
        for each in (self.inbound, self.outbound):
            each.settimeout(60)

    def close(self):
        self.subscriber.close()
        self.publisher.close()

    def send(self, count):
        """Sends so many at once, waits until all have come, and finishes them. Returns the seconds until the last had come."""
        begun = time.perf_counter()
        self.outbound.sendall(self.packet * count if not self.qos else b"".join(
            wire.publish(4, self.topic, b"x" * 64, self.qos, number + 1) for number in range(count)))
        data = exactly(self.inbound, count * len(self.packet))
        took = time.perf_counter() - begun
        if self.qos:
            at = 4 + len(self.topic)  # of the packet id
            ids = [data[number * len(self.packet) + at:][:2] for number in range(count)]
            self.inbound.sendall(b"".join(b"\x40\x02" + each for each in ids))
            exactly(self.outbound, 4 * count)
        return took


def exactly(sock, count):
    data = b""
    while len(data) < count:
        more = sock.recv(1 << 16)
        if not more:
            raise ConnectionError("closed")
        data += more
    return data


# Publisher's node and its session's owner, the same of the subscriber.
PLACES = {
    "one node": ("a", "a", "a", "a"),
    "two nodes, one link": ("a", "a", "b", "b"),
    "both clients away from their sessions": ("a", "b", "b", "c"),
}


def each_pair(cluster, qos):
    for place, where in PLACES.items():
        with contextlib.closing(Pair(cluster, where, qos)) as pair:
            pair.send(1)
            yield place, pair


def bench_latency(options, out):
    with stopping(Fixed()) as cluster:
        for qos in (0, 1):
            for place, pair in each_pair(cluster, qos):
                for _ in range(200):
                    pair.send(1)
                out[f"QoS {qos}, {place}: ms"] = percentiles([pair.send(1) for _ in range(options.messages // 10)], 1000)


def bench_cpu(options, out):
    with stopping(Fixed()) as cluster:
        begun, before = time.monotonic(), cluster.cpu()
        time.sleep(2)  # the time of an idle cluster is what is measured
        idle = (cluster.cpu() - before) / (time.monotonic() - begun)
        out["idle, three nodes: ms of CPU a second"] = round(idle * 1000, 2)
        for burst in (1, 64):
            for qos in (0, 1):
                for place, pair in each_pair(cluster, qos):
                    count = options.messages // (10 if burst == 1 else 1) // burst
                    begun, before = time.monotonic(), cluster.cpu()
                    for _ in range(count):
                        pair.send(burst)
                    spent = cluster.cpu() - before - idle * (time.monotonic() - begun)
                    out[f"QoS {qos}, {burst} a write, {place}: us a message"] = round(spent / count / burst * 1e6, 2)


def bench_throughput(options, out):
    for qos in (0, 1):
        for names in (("a",), NAMES):
            with stopping(Fixed(names, cpus="0")) as cluster:
                runs = [subprocess.Popen(
                    ["taskset", "-c", "1", options.bench, "pairs", "--port", str(node.port), "--clients", str(48 // len(names)), "--qos",
                     str(qos), "--seconds", str(options.seconds), "--warmup", "1", "--broker-pid", str(node.pid), "--json"],
                    stdout=subprocess.PIPE)
                    for node in cluster.nodes.values()]
                reports = [json.loads(run.communicate(timeout=SECONDS)[0]) for run in runs]
                delivered = sum(report["delivered"] / report["seconds"] for report in reports)
                spent = sum(report["broker"]["cpu_seconds"] / report["seconds"] for report in reports)
                what = f"QoS {qos}, {len(names)} node{'s' * (len(names) > 1)} on one core"
                out[f"{what}: messages/s"] = round(delivered)
                out[f"{what}: us of CPU a message"] = round(spent / delivered * 1e6, 2)


@contextlib.contextmanager
def stopping(cluster):
    try:
        yield cluster
    finally:
        cluster.stop()


class Elastic(EtcdCluster):
    """Two shards a node, data directories, and a log that tells where sessions live."""

    def start(self, name, node_id=None, **settings):
        super().start(name, node_id, **{"log.level": "debug", **settings})


@contextlib.contextmanager
def with_etcd(names):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="skeinmq-cluster-", dir=os.environ.get("TMPDIR", "/var/tmp")))
    try:
        with stopping(Elastic(folder, names)) as cluster:
            yield cluster
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def leave_sessions(cluster, count, queued=0):
    """Durable sessions that are away, each with a topic of its own and so many messages."""
    names = list(cluster.nodes)
    for number in range(count):
        client = cluster.join(names[number % len(names)], f"s{number}", lasting=True)
        client.subscribe(f"away/{number}", qos=1)
        client.close()
    publisher = cluster.join(names[0])
    for number in range(count):
        for _ in range(queued):
            publisher.send(wire.publish(5, f"away/{number}", b"x" * 64, 1, 1))
        for _ in range(queued):
            publisher.receive()
    publisher.close()


def served(cluster, node, client_id):
    """CONNACK with the session."""
    try:
        client = Client(cluster.nodes[node].address, 5)
        client.send(wire.connect(5, client_id, clean=False, props=LASTING))
        answer = client.receive()
        client.close()
        return answer is not None and answer.reason == 0 and answer.session_present
    except (OSError, AssertionError):
        return False


def bench_kill(options, out):
    times = {"clients connected there are served elsewhere (session on another node)": [], "it listens again": [],
             "its own sessions are served": [], "publishes to its sessions are taken": []}
    sessions = options.sessions // 10
    with with_etcd(NAMES) as cluster:
        leave_sessions(cluster, sessions)
        lives = {name: re.findall(r"client\.connected client_id=s(\d+) ", node.log()) for name, node in cluster.nodes.items()}
        there = lives["c"][:SAMPLE]
        for _ in range(options.rounds):
            guest = cluster.join("c", f"s{lives['a'][0]}", lasting=True)
            begun = time.monotonic()
            cluster.kill("c")
            assert guest.receive() is None
            wait_until(lambda: served(cluster, "b", f"s{lives['a'][0]}"), SECONDS, "the guest is served elsewhere")
            took = [time.monotonic() - begun]
            cluster.start("c")
            took.append(time.monotonic() - begun)
            for number in there:
                wait_until(lambda number=number: served(cluster, "b", f"s{number}"), SECONDS, "a session is served")
            took.append(time.monotonic() - begun)
            publisher = cluster.join("b", f"s{lives['a'][1]}")
            for number in there:
                wait_until(lambda number=number: publisher.publish(f"away/{number}", b"m", qos=1, ok=(0, 0x97)).reason == 0, SECONDS,
                           "a publish is taken")
            took.append(time.monotonic() - begun)
            publisher.close()
            for what, seconds in zip(times, took):
                times[what].append(seconds)
            cluster.wait_balanced()
    out["sessions on three nodes"] = sessions
    for what, values in times.items():
        out[f"kill -9 until {what}: s"] = round(statistics.median(values), 3)


def subscribe_many(address, count, each=10_000):
    """So many filters of transient sessions; the clients, and the seconds from the first SUBSCRIBE to the last SUBACK."""
    clients = [Client(address, 5).handshake(f"many{number}") for number in range((count + each - 1) // each)]
    begun = time.monotonic()
    for number, client in enumerate(clients):
        first = number * each
        filters = [(f"plant/{index % 1000}/device-{index}/state", 0) for index in range(first, min(first + each, count))]
        client.send(wire.subscribe(5, 1, filters))
    for client in clients:
        assert client.receive().kind == wire.SUBACK
    return clients, time.monotonic() - begun


def bench_routes(options, out):
    for count in options.routes:
        with stopping(Fixed()) as cluster:
            before = {name: node.resident_bytes() for name, node in cluster.nodes.items()}
            clients, took = subscribe_many(cluster.nodes["a"].address, count)
            grown = {name: (node.resident_bytes() - before[name]) / count for name, node in cluster.nodes.items()}
            out[f"{count:,} routes, all nodes have them: s"] = round(took, 2)
            out[f"{count:,} routes: bytes a route, all three nodes together"] = round(sum(grown.values()))
            out[f"{count:,} routes: bytes a route, a node without its subscriber"] = round(min(grown.values()))
            for client in clients:
                client.close()


def moved(logs):
    """frozen_ms, sessions and parts of each partition that was moved."""
    return [tuple(map(int, found)) for log in logs
            for found in re.findall(r"partition\.moved .*?sessions=(\d+) parts=(\d+) frozen_ms=(\d+)", log)]


def bench_handover(options, out):
    with with_etcd(("a", "b")) as cluster:
        leave_sessions(cluster, options.sessions, queued=10)
        skipped = {name: len(moved([node.log()])) for name, node in cluster.nodes.items()}  # those of a and b between them
        begun = time.monotonic()
        cluster.start("c")
        wait_until(lambda: cluster.owners().get("c", 0) >= 64, SECONDS, "c has its share")
        counts = {"last": -1, "since": 0.0}

        def still():
            owned = cluster.owners().get("c", 0)
            if owned != counts["last"]:
                counts.update(last=owned, since=time.monotonic())
            return time.monotonic() - counts["since"] > 1
        wait_until(still, SECONDS, "nothing moves any more")
        shared = counts["since"]
        moves = sum((moved([cluster.nodes[name].log()])[skipped[name]:] for name in skipped), [])
        out["sessions, 10 messages each"] = options.sessions
        out["from start until it has its share: s"] = round(shared - begun, 2)
        out["partitions moved to the third node"] = len(moves)
        out["sessions in them"] = sum(sessions for sessions, _, _ in moves)
        out["frozen a partition: ms"] = percentiles([frozen for _, _, frozen in moves])
        out["frozen, the longest: ms"] = max(frozen for _, _, frozen in moves)
        begun = time.monotonic()
        log = cluster.drain("c")
        gone = moved([log])
        out["SIGTERM until it has handed all over and ended: s"] = round(time.monotonic() - begun, 2)
        out["frozen a partition, leaving: ms"] = percentiles([frozen for _, _, frozen in gone])


def retain(address, count):
    publisher = Client(address, 4).handshake("retainer")
    for first in range(0, count, 500):
        publisher.send(*(wire.publish(4, f"kept/{number}", b"x" * 64, 1, number % 500 + 1, True)
                         for number in range(first, min(first + 500, count))))
        for _ in range(first, min(first + 500, count)):
            publisher.receive()
    publisher.close()


def retained_at(address, *filters):
    """How many retained messages that match a node has."""
    client = Client(address, 4).handshake("")
    count = len(client.retained(*filters))
    client.close()
    return count


def bench_join(options, out):
    routes = options.routes[-1]
    with with_etcd(("a", "b")) as cluster:
        clients, _ = subscribe_many(cluster.nodes["a"].address, routes)
        retain(cluster.nodes["a"].address, options.retained)
        begun = time.monotonic()
        cluster.start("c")
        address = cluster.nodes["c"].address
        Client(address, 5).handshake("").close()
        out[f"a node joins {routes:,} routes, {options.retained:,} retained messages: s until it serves clients"] = round(
            time.monotonic() - begun, 2)
        sample = [f"kept/{number}" for number in range(0, options.retained, options.retained // 100)]
        wait_until(lambda: retained_at(address, *sample) == len(sample), SECONDS, "a hundredth of the retained messages is there")
        took = round(time.monotonic() - begun, 2)
        # All, not only those asked for: a count that is not a time.
        wait_until(lambda: retained_at(address, "kept/#") == options.retained, SECONDS, "all retained messages are there")
        out["... s until it has the retained messages (every hundredth is looked at)"] = took
        for client in clients:
            client.close()


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", required=True)
    parser.add_argument("--skeinmqd", required=True)
    parser.add_argument("--parts", default="latency,cpu,throughput,kill,routes,handover,join")
    parser.add_argument("--quick", action="store_true", help="a tenth of everything")
    parser.add_argument("--json", help="write the figures here, too")
    options = parser.parse_args()
    tenth = 10 if options.quick else 1
    options.messages, options.seconds, options.rounds = 100_000 // tenth, 6 // (3 if options.quick else 1), 5 if tenth == 1 else 2
    options.sessions, options.retained = 10_000 // tenth, 100_000 // tenth
    options.routes = [100_000 // tenth, 1_000_000 // tenth]
    os.environ["SKEINMQD"] = options.skeinmqd
    return options


def main():
    options, results = parse(), {}
    # However it is ended, nothing stays behind.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    for part in options.parts.split(","):
        out = results[part] = {}
        globals()[f"bench_{part}"](options, out)
        print(f"\n{part}")
        for what, value in out.items():
            shown = f"p50 {value['p50']}, p99 {value['p99']}" if isinstance(value, dict) else f"{value:,}"
            print(f"  {what:96} {shown}", flush=True)
    text = json.dumps(results, indent=1)
    print(text)
    if options.json:
        pathlib.Path(options.json).write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
