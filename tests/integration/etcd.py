"""A real etcd, and nodes that have it as their coordinator; clients that never give up, with books of what they were promised."""

import base64
import json
import shutil
import subprocess
import threading
import time
import urllib.request

import mqtt_wire as wire
from mqtt_client import DEADLINE, Client
from mqtt_wire import PUBACK, PUBLISH, SUBACK
from support.broker import Broker, free_port, wait_until

LASTING = [(wire.SESSION_EXPIRY, 3600)]


def b64(text):
    return base64.b64encode(text.encode()).decode()


class Etcd:
    """One etcd in a folder; its data outlives stop() and start(). `launcher`: see Broker.start()."""

    def __init__(self, folder, arguments=(), scheme="http", host="127.0.0.1", launcher=()):
        self.folder, self.arguments, self.scheme, self.host, self.launcher = folder, list(arguments), scheme, host, list(launcher)
        self.port, self.peer_port = free_port(), free_port()
        self.process = None
        self.start()

    @property
    def url(self):
        return f"{self.scheme}://{self.host}:{self.port}"

    @property
    def peer_url(self):
        return f"http://{self.host}:{self.peer_port}"

    def start(self):
        self.launch("default", f"default={self.peer_url}")
        if self.scheme == "http":
            wait_until(self.answers, DEADLINE, "etcd answers")

    def launch(self, name, members):
        """Starts the process; `members`: all of them, this one too, as NAME=PEER-URL,..."""
        with open(self.folder / "etcd.log", "ab") as log:
            self.process = subprocess.Popen(
                [*self.launcher, shutil.which("etcd") or "etcd", "--name", name, "--data-dir", str(self.folder / "etcd"),
                 "--listen-client-urls", self.url, "--advertise-client-urls", self.url, "--listen-peer-urls", self.peer_url,
                 "--initial-advertise-peer-urls", self.peer_url, "--initial-cluster", members, "--logger", "zap",
                 *self.arguments], stdout=log, stderr=log)

    def answers(self):
        try:
            return json.loads(self.get("/health"))["health"] == "true"
        except OSError:
            return False

    def get(self, path):
        with urllib.request.urlopen(self.url + path, timeout=5) as answer:
            return answer.read()

    def call(self, path, **fields):
        request = urllib.request.Request(self.url + path, data=json.dumps(fields).encode())
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.loads(answer.read())

    def values(self, prefix):
        """What the keys with the prefix hold, by the rest of the key."""
        found = self.call("/v3/kv/range", key=b64(prefix), range_end=b64(prefix[:-1] + chr(ord(prefix[-1]) + 1)))
        decoded = {base64.b64decode(each["key"]).decode(): base64.b64decode(each["value"]).decode() for each in found.get("kvs", [])}
        return {key[len(prefix):]: json.loads(value) for key, value in decoded.items()}

    def put(self, key, value):
        self.call("/v3/kv/put", key=b64(key), value=b64(value))

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(DEADLINE)
            self.process = None


class EtcdCluster:
    def __init__(self, folder, names=("a", "b", "c"), etcd=None, arguments=()):
        self.folder, self.arguments = folder, list(arguments)
        self.etcd = etcd or Etcd(folder)
        self.ports, self.nodes = {}, {}
        for name in names:
            self.start(name)
        self.wait_balanced()

    def start(self, name, node_id=None, **settings):
        self.ports.setdefault(name, free_port())
        where = self.where(name)
        self.nodes[name] = Broker.start(
            shards=2, data_dir=self.folder / name, settings={"cluster.lease_seconds": 3, **settings},
            arguments=["--node-id", node_id or name, "--cluster-listen", f"{where['host']}:{self.ports[name]}",
                       "--etcd", self.etcd.url, *self.arguments], **where)

    def where(self, name):
        """Where a node runs: arguments of Broker.start()."""
        del name
        return {"host": "127.0.0.1"}

    def kill(self, name):
        self.nodes.pop(name).discard()

    def drain(self, name):
        """As Kubernetes ends a pod; returns its log."""
        node = self.nodes.pop(name)
        node.process.terminate()
        assert node.process.wait(DEADLINE * 3) == 0
        log = node.log()
        node.discard()
        return log

    def owners(self):
        """How many partitions each node has, by name."""
        numbers = {record["number"]: name for name, record in self.etcd.values("/skeinmq/skeinmq/nodes/").items()}
        counts = {}
        for row in self.etcd.values("/skeinmq/skeinmq/table/").values():
            counts[numbers[row["node"]]] = counts.get(numbers[row["node"]], 0) + 1
        return counts

    def wait_balanced(self, names=None):
        """Each of them has its share, and nothing has moved for a while."""
        wanted = set(names or self.nodes)
        seen = {"counts": None, "since": 0.0}

        def balanced():
            counts = self.owners()
            if counts != seen["counts"]:
                seen.update(counts=counts, since=time.monotonic())
            shared = set(counts) == wanted and sum(counts.values()) == 256 and min(counts.values()) > 128 / len(wanted)
            return shared and time.monotonic() - seen["since"] > 1
        wait_until(balanced, 4 * DEADLINE, f"the partitions are divided among {sorted(wanted)}")

    def join(self, node, client_id="", version=5, lasting=False, **fields):
        return Client(self.nodes[node].address, version).handshake(client_id, clean=not lasting,
                                                                   props=LASTING if lasting else [], **fields)

    def stop(self):
        for node in self.nodes.values():
            node.discard()
        self.nodes.clear()
        self.etcd.stop()


class Worker(threading.Thread):
    """A client that comes again whenever it is sent away, until it is told to stop."""

    def __init__(self, cluster, number):
        super().__init__(daemon=True)
        self.cluster, self.number = cluster, number
        self.stopping, self.failure, self.tries = threading.Event(), None, number

    def connect(self, **fields):
        while True:
            addresses = [node.address for node in list(self.cluster.nodes.values())]
            self.tries += 1
            client = None
            try:
                client = Client(addresses[self.tries % len(addresses)], 5)
                client.send(wire.connect(5, **fields, **getattr(self.cluster, "credentials", {})))
                answer = client.receive()
                if answer is not None and answer.reason == 0:
                    return client, answer
            except (OSError, AssertionError):
                pass
            if client is not None:
                client.close()
            self.stopping.wait(0.05)

    def run(self):
        try:
            self.work()
        except BaseException as error:  # told to whoever waits for the thread
            self.failure = error


class Publisher(Worker):
    """Publishes numbers, one at a time; the next when the one before is acknowledged, on whichever connection."""

    def __init__(self, cluster, number, topic):
        super().__init__(cluster, number)
        self.topic, self.acknowledged = topic, []

    def work(self):
        client, value = None, 0
        while not self.stopping.is_set():
            value += 1
            while True:
                if client is None:
                    client, _ = self.connect(client_id=f"p{self.number}")
                try:
                    client.send(wire.publish(5, self.topic, b"%d" % value, qos=1, packet_id=1))
                    answer = client.receive()
                except (OSError, wire.WireError):
                    answer = None
                if answer is not None and answer.kind == PUBACK and answer.reason in (0, 0x10):
                    self.acknowledged.append(value)
                    break
                if answer is None or answer.kind != PUBACK:
                    client.close()
                    client = None
                if self.stopping.is_set():
                    return
                time.sleep(0.02)


class Subscriber(Worker):
    """A durable session that is never given up."""

    def __init__(self, cluster, number, topic_filter):
        super().__init__(cluster, number)
        self.filter, self.got, self.subscribed, self.connects = topic_filter, {}, threading.Event(), 0
        self.lost_session = False

    def work(self):
        while not self.stopping.is_set():
            client, answer = self.connect(client_id=f"s{self.number}", clean=False, props=LASTING)
            self.connects += 1
            self.client = client
            try:
                if not answer.session_present or not self.subscribed.is_set():
                    self.lost_session |= self.subscribed.is_set()
                    client.send(wire.subscribe(5, 1, [(self.filter, 1)]))
                    answer = client.receive()
                    if answer is None or answer.kind != SUBACK:
                        continue  # sent away meanwhile
                    self.subscribed.set()
                while not self.stopping.is_set():
                    try:
                        packet = client.receive(0.3)
                    except wire.WireError:
                        break  # ended inside a packet
                    except AssertionError:
                        continue  # nothing came
                    if packet is None or packet.kind != PUBLISH:
                        break
                    self.got.setdefault(packet.topic, []).append(int(packet.payload))
                    client.acknowledge(packet)
            except OSError:
                pass
            finally:
                client.close()


class Load:
    """Publishers and durable subscribers, and whether every promise was kept."""

    def __init__(self, cluster, publishers=4, subscribers=8):
        self.publishers = [Publisher(cluster, number, f"load/{number}") for number in range(publishers)]
        self.subscribers = [Subscriber(cluster, number, "load/+" if number % 2 else f"load/{number % publishers}")
                            for number in range(subscribers)]
        for each in self.subscribers:
            each.start()
        for each in self.subscribers:
            assert each.subscribed.wait(DEADLINE)
        for each in self.publishers:
            each.start()

    def progress(self, messages=20):
        """Everybody's messages are acknowledged again."""
        before = [len(each.acknowledged) for each in self.publishers]
        wait_until(lambda: all(len(each.acknowledged) >= was + messages for each, was in zip(self.publishers, before)),
                   4 * DEADLINE, "every publisher is answered")

    def caught_up(self):
        """All that is acknowledged by now is delivered: nothing waits for a node any more that was away."""
        self.delivered({each.topic: set(each.acknowledged) for each in self.publishers})

    def delivered(self, promised):
        def missing():
            return {(each.number, topic): sorted(numbers - set(each.got.get(topic, [])))[:5]
                    for each in self.subscribers for topic, numbers in promised.items()
                    if (each.filter == topic or each.filter == "load/+") and not numbers <= set(each.got.get(topic, []))}
        try:
            wait_until(lambda: not missing(), 2 * DEADLINE, "all that was acknowledged is delivered")
        except AssertionError:
            raise AssertionError(f"acknowledged, not delivered: {missing()}")

    def finish(self):
        """The number of messages that were acknowledged, each of which every subscriber has."""
        for each in self.publishers:
            each.stopping.set()
        for each in self.publishers:
            each.join(4 * DEADLINE)
            assert not each.is_alive() and each.failure is None, each.failure
        promised = {each.topic: set(each.acknowledged) for each in self.publishers}
        try:
            self.delivered(promised)
        finally:
            for each in self.subscribers:
                each.stopping.set()
        for each in self.subscribers:
            each.join(DEADLINE)
            assert each.failure is None, each.failure
            assert not each.lost_session, f"subscriber {each.number} lost its session"
            for topic, numbers in each.got.items():
                firsts = list(dict.fromkeys(numbers))
                late = [(before, number) for before, number in zip(firsts, firsts[1:]) if number < before]
                assert not late, f"subscriber {each.number}, {topic}: out of order, {late}"
        return sum(len(numbers) for numbers in promised.values())
