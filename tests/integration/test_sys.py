"""What the broker says about itself below $SYS, and to whom."""

import contextlib
import json

import pytest

import mqtt_wire as wire
from client_driver import MosquittoSubscriber
from mqtt_client import DEADLINE, Client
from mqtt_wire import PUBACK
from secure import HASH, SecureBroker
from support.broker import wait_until
from test_cluster import Cluster


class Heard:
    """What a mosquitto_sub has heard so far, by topic."""

    def __init__(self, address, *filters):
        self.subscriber = MosquittoSubscriber("5", address, filters)
        self.topics = {}

    def look(self):
        while not self.subscriber.messages.empty():
            message = self.subscriber.messages.get()
            self.topics.setdefault(message.topic, []).append(message)
        return self.topics

    def wait(self, topic, condition=bool):
        """Until a message of the topic is as wanted; returns its payload."""
        def find():
            return [each for each in self.look().get(topic, []) if condition(each.payload.decode())]
        return wait_until(find, DEADLINE, f"{topic}; heard: {sorted(self.topics)}")[-1].payload.decode()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.subscriber.close()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    made = Cluster(tmp_path_factory.mktemp("cluster"), names=("a", "b"),
                   settings={"sys.interval": "1s", "sys.client_events": "true"})
    yield made
    made.stop()


def test_figures_of_this_node_and_of_all(cluster):
    address = cluster.nodes["a"].address
    with contextlib.closing(cluster.join("a")) as publisher, Heard(address, "$SYS/#") as heard, Heard(address, "#") as all_else:
        for node in "ab":
            assert heard.wait(f"$SYS/brokers/{node}/version").startswith("skeinmq version ")
        publisher.publish("t", b"x", qos=1)
        heard.wait("$SYS/broker/uptime", lambda text: int(text.removesuffix(" seconds")) >= 0)
        topics = heard.look()
        for name in ("clients/maximum", "messages/received", "publish/messages/dropped", "load/bytes/sent/15min",
                     "store/messages/bytes", "retained messages/count", "shared_subscriptions/count", "heap/current", "heap/maximum"):
            assert f"$SYS/broker/{name}" in topics and f"$SYS/brokers/b/{name}" in topics, name
        sums = [heard.wait(f"$SYS/brokers/{node}/clients/connected", lambda text: True) for node in "ab"]
        assert all(text.isdigit() for text in sums)
        # Where its session lives it counts.
        wait_until(lambda: sum(int(heard.look()[f"$SYS/brokers/{node}/publish/messages/received"][-1].payload) for node in "ab") >= 1,
                   DEADLINE, "the PUBLISH shows")
        assert not any(topic.startswith("$") for topic in all_else.look()), "'#' is not about $SYS"


def test_memory_and_shared_subscriptions(start_broker):
    broker = start_broker(shards=2, settings={"sys.interval": "1s"})
    with contextlib.closing(Client(broker.address, 5).handshake()) as client, Heard(broker.address, "$SYS/broker/#") as heard:
        client.subscribe("$share/g/a", "$share/g/b", "c")
        heard.wait("$SYS/broker/shared_subscriptions/count", lambda text: text == "2")
        heard.wait("$SYS/broker/subscriptions/count", lambda text: text == "4")  # and what has heard it
        now = int(heard.wait("$SYS/broker/heap/current"))
        most = int(heard.wait("$SYS/broker/heap/maximum"))
        assert 1 << 20 < now <= most < 1 << 32
        assert most >= broker.resident_bytes() // 2


def test_who_comes_later_is_sent_the_last(cluster):
    with Heard(cluster.nodes["b"].address, "$SYS/brokers/a/#") as heard:
        heard.wait("$SYS/brokers/a/uptime")
    with contextlib.closing(cluster.join("b")) as late:
        late.subscribe("$SYS/brokers/a/version")
        message = late.receive()
        assert message.topic == "$SYS/brokers/a/version" and message.retain
    # They are not retained messages, and no other topic is among them.
    assert cluster.retained("b", "#") == []


def test_clients_that_come_and_go(cluster):
    with Heard(cluster.nodes["b"].address, "$SYS/brokers/+/clients/+/+") as heard:
        client = cluster.join("a", "dev/1", keep_alive=77)
        found = wait_until(lambda: [topic for topic in heard.look() if topic.endswith("/clients/dev%2F1/connected")], DEADLINE,
                           "it has come")
        told = json.loads(heard.topics[found[0]][0].payload)
        assert (told["client_id"], told["protocol_version"], told["keep_alive_seconds"]) == ("dev/1", "5.0", 77)
        client.disconnect()
        gone = found[0].replace("/connected", "/disconnected")
        assert json.loads(heard.wait(gone))["reason"] == "client"


def test_no_client_speaks_for_the_broker(cluster):
    with contextlib.closing(cluster.join("a")) as client:
        client.send(wire.publish(5, "$SYS/broker/uptime", b"lie", 1, 9))
        client.expect(PUBACK, packet_id=9, reason=0x87)


@pytest.mark.parametrize("default", ["deny", "allow"])
def test_a_rule_has_to_name_it(tmp_path, default):
    (tmp_path / "users.txt").write_text(f"ann:{HASH}\nbob:{HASH}\n")
    (tmp_path / "acl.yaml").write_text(
        f"default: {default}\nrules:\n- {{allow: subscribe, users: [ann], topics: ['$SYS/#']}}\n- {{allow: all, topics: ['#']}}\n")
    with SecureBroker(tmp_path, {"main": "tcp://127.0.0.1:0?authentication=users"},
                      f"authentication: [{{name: users, type: password_file, file: {tmp_path}/users.txt}}]\n"
                      f"authorization: {{file: {tmp_path}/acl.yaml}}\nsys: {{interval: 1s}}\n") as site:
        with contextlib.closing(site.client("main").handshake(user="bob", password="secret")) as bob:
            bob.send(wire.subscribe(5, 1, [("$SYS/#", 0), ("#", 0)]))
            bob.expect_suback(packet_id=1, codes=[0x87, 0])
        with contextlib.closing(site.client("main").handshake(user="ann", password="secret")) as ann:
            ann.subscribe("$SYS/broker/uptime")
            assert ann.receive().topic == "$SYS/broker/uptime"


def test_it_can_be_off(start_broker):
    broker = start_broker(settings={"sys.interval": 0})
    with contextlib.closing(Client(broker.address, 5).handshake()) as client:
        client.subscribe("$SYS/#", "t")
        client.publish("t", b"x")
        assert client.receive().topic == "t"
