"""mosquitto_pub, mosquitto_sub and mosquitto_rr, used as people use them from a shell."""

import hashlib
import random
import subprocess

import pytest

from client_driver import SECONDS, VERSIONS, mosquitto_publish

KIB = 1024
each_version = pytest.mark.parametrize("version", VERSIONS)


def publish_lines(version, address, topic, count, qos):
    """One message a line of stdin: 0, 1, 2 ..."""
    lines = "".join(f"{number}\n" for number in range(count)).encode()
    done = subprocess.run(["mosquitto_pub", "-h", address[0], "-p", str(address[1]), "-V", "mqttv" + version, "-t", topic, "-q",
                           str(qos), "-l"], input=lines, timeout=SECONDS, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def lasting(version, client_id):
    """The arguments for a session that stays."""
    return ["-c", "-i", client_id] + (["-x", "600"] if version == "5" else [])


@each_version
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_publish_and_subscribe(broker, mosquitto_sub, name, version, qos):
    subscriber = mosquitto_sub(version, [name + "/#"], qos)
    mosquitto_publish(version, broker.address, name + "/demo", b"hello", qos)
    message = subscriber.expect_one()
    assert (message.topic, message.payload, message.qos, message.retain) == (name + "/demo", b"hello", qos, False)


def test_the_first_thing_anybody_tries(broker, name):
    """mosquitto_sub in one terminal shows what mosquitto_pub in another sends; no version named."""
    where = ["-h", broker.host, "-p", str(broker.port), "-t", name]
    subscriber = subprocess.Popen(["mosquitto_sub", *where, "-C", "1"], stdout=subprocess.PIPE)
    # Retained, so that it does not matter which of the two is first.
    subprocess.run(["mosquitto_pub", *where, "-m", "hello", "-r"], timeout=SECONDS, check=True)
    out, _ = subscriber.communicate(timeout=SECONDS)
    assert (out, subscriber.returncode) == (b"hello\n", 0)
    subprocess.run(["mosquitto_pub", *where, "-r", "-n"], timeout=SECONDS, check=True)


@each_version
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_a_thousand_lines_in_order(broker, mosquitto_sub, name, version, qos):
    subscriber = mosquitto_sub(version, [name], qos)
    publish_lines(version, broker.address, name, 1000, qos)
    assert [int(message.payload) for message in subscriber.expect(1000)] == list(range(1000))


@each_version
def test_retained(broker, mosquitto_sub, name, version):
    for qos in (0, 1, 2):
        mosquitto_publish(version, broker.address, f"{name}/{qos}", b"kept", qos, ["-r"])
    got = mosquitto_sub(version, [name + "/#"], 2).expect(3)
    assert sorted((message.topic, message.qos, message.retain) for message in got) == [
        (f"{name}/{qos}", qos, True) for qos in (0, 1, 2)]
    for qos in (0, 1, 2):
        mosquitto_publish(version, broker.address, f"{name}/{qos}", b"", qos, ["-r"])
    late = mosquitto_sub(version, [name + "/#"], 2)
    mosquitto_publish(version, broker.address, name + "/end", b"end")
    assert late.expect_one().payload == b"end"


@each_version
def test_will(broker, mosquitto_sub, name, version):
    """mosquitto_sub leaves with DISCONNECT: in 5 with reason code 0x04, Disconnect with Will Message, else without a will."""
    witness = mosquitto_sub(version, [name + "/will"], 1)
    will = ["--will-topic", name + "/will", "--will-payload", "gone", "--will-qos", "1"]
    polite = mosquitto_sub(version, [name + "/x"], 0, will + ["-i", name + "p"])
    polite.terminate()
    if version == "5":
        assert witness.expect_one().payload == b"gone"
    dying = mosquitto_sub(version, [name + "/x"], 0, will + ["-i", name + "d"])
    dying.kill()
    message = witness.expect_one()
    assert (message.payload, message.qos) == (b"gone", 1)
    mosquitto_publish(version, broker.address, name + "/will", b"end", 1)
    assert witness.expect_one().payload == b"end"


@each_version
def test_session_that_stays(broker, mosquitto_sub, name, version):
    """-c: after a break, and after a DISCONNECT, what came meanwhile is there in order."""
    first = mosquitto_sub(version, [name + "/t"], 2, lasting(version, name))
    for leave in ("terminate", "kill"):
        getattr(first, leave)()
        publish_lines(version, broker.address, name + "/t", 100, 1)
        publish_lines(version, broker.address, name + "/t", 100, 2)
        first = mosquitto_sub(version, [name + "/t"], 2, lasting(version, name))
        got = first.expect(200)
        assert [int(message.payload) for message in got] == list(range(100)) * 2
        assert [message.qos for message in got] == [1] * 100 + [2] * 100
        # A message after them shows that they are acknowledged: the acknowledgements went before.
        mosquitto_publish(version, broker.address, name + "/t", b"live", 0)
        assert first.expect_one().payload == b"live"


def test_session_expiry_of_zero(broker, mosquitto_sub, name):
    """MQTT 5 with -x 0: the session ends with its connection."""
    arguments = ["-c", "-x", "0", "-i", name]
    mosquitto_sub("5", [name + "/t"], 1, arguments).terminate()
    mosquitto_publish("5", broker.address, name + "/t", b"lost", 1)
    again = mosquitto_sub("5", [name + "/t"], 1, arguments)
    mosquitto_publish("5", broker.address, name + "/t", b"live", 1)
    assert again.expect_one().payload == b"live"


@each_version
@pytest.mark.parametrize("size", [256 * KIB, 10 * KIB * KIB])
def test_large_payloads(broker, name, tmp_path, version, size):
    """From a file to standard output, byte for byte."""
    contents = random.Random(size).randbytes(size)
    (tmp_path / "sent").write_bytes(contents)
    where = ["-h", broker.host, "-p", str(broker.port), "-V", "mqttv" + version, "-q", "2", "-t", name]
    subprocess.run(["mosquitto_pub", *where, "-f", str(tmp_path / "sent"), "-r"], timeout=SECONDS, check=True)
    got = subprocess.run(["mosquitto_sub", *where, "-C", "1", "-N"], timeout=SECONDS, check=True, stdout=subprocess.PIPE).stdout
    assert hashlib.sha256(got).hexdigest() == hashlib.sha256(contents).hexdigest()
    subprocess.run(["mosquitto_pub", *where, "-r", "-n"], timeout=SECONDS, check=True)


def test_properties(broker, mosquitto_sub, name):
    subscriber = mosquitto_sub("5", [name], 1)
    properties = [("content-type", "text/plain"), ("response-topic", "r/t"), ("correlation-data", "c-1"),
                  ("message-expiry-interval", "1000"), ("payload-format-indicator", "1"), ("user-property", "a", "1"),
                  ("user-property", "b", "2"), ("user-property", "a", "3")]
    arguments = [word for item in properties for word in ("-D", "publish", *item)]
    mosquitto_publish("5", broker.address, name, b"hello", 1, arguments)
    message = subscriber.expect_one()
    assert message.properties["content-type"] == "text/plain"
    assert message.properties["response-topic"] == "r/t"
    assert message.properties["correlation-data"] == "c-1"
    assert message.properties["payload-format-indicator"] == 1
    assert 900 < message.properties["message-expiry-interval"] <= 1000
    assert message.user == [("a", "1"), ("b", "2"), ("a", "3")]


def test_topic_alias(broker, mosquitto_sub, name):
    subscriber = mosquitto_sub("5", [name], 1)
    mosquitto_publish("5", broker.address, name, b"x", 1, ["-D", "publish", "topic-alias", "5"])
    assert subscriber.expect_one().topic == name


def test_request_and_response(broker, mosquitto_sub, name):
    """mosquitto_rr asks; a shell-like responder answers to the response topic with the correlation data."""
    service = mosquitto_sub("5", [name + "/service"], 1)
    asking = subprocess.Popen(["mosquitto_rr", "-h", broker.host, "-p", str(broker.port), "-V", "mqttv5", "-q", "1", "-t",
                               name + "/service", "-e", name + "/answer", "-m", "6*7", "-D", "publish", "correlation-data", "id1"],
                              stdout=subprocess.PIPE)
    request = service.expect_one()
    assert request.payload == b"6*7"
    mosquitto_publish("5", broker.address, request.properties["response-topic"], b"42", 1,
                      ["-D", "publish", "correlation-data", request.properties["correlation-data"]])
    out, _ = asking.communicate(timeout=SECONDS)
    assert (out.strip(), asking.returncode) == (b"42", 0)


@pytest.mark.parametrize("version", ["311", "5"])
def test_shared_subscription(broker, mosquitto_sub, name, version):
    members = [mosquitto_sub(version, [f"$share/g/{name}/t", f"{name}/end"], 1) for _ in range(2)]
    publish_lines(version, broker.address, name + "/t", 100, 1)
    mosquitto_publish(version, broker.address, name + "/end", b"end", 1)
    got = []
    for member in members:
        message = member.expect_one()
        while message.topic != name + "/end":
            got.append(int(message.payload))
            message = member.expect_one()
    assert sorted(got) == list(range(100))


def test_unsubscribe_option(broker, mosquitto_sub, name):
    """-U takes a subscription out of a session that stays."""
    mosquitto_sub("5", [name + "/a", name + "/b"], 1, lasting("5", name)).terminate()
    again = mosquitto_sub("5", [name + "/b"], 1, lasting("5", name) + ["-U", name + "/a"])
    # SUBSCRIBE and UNSUBSCRIBE go out together; the answer to a later message shows that both are done.
    mosquitto_publish("5", broker.address, name + "/b", b"fence", 1)
    assert again.expect_one().payload == b"fence"
    mosquitto_publish("5", broker.address, name + "/a", b"not wanted", 1)
    mosquitto_publish("5", broker.address, name + "/b", b"wanted", 1)
    assert again.expect_one().payload == b"wanted"


def test_versions_side_by_side(broker, mosquitto_sub, name):
    """One topic, all versions on both sides."""
    subscribers = [mosquitto_sub(version, [name], 2) for version in VERSIONS]
    for version in VERSIONS:
        mosquitto_publish(version, broker.address, name, version.encode(), 2)
    for subscriber in subscribers:
        assert [message.payload.decode() for message in subscriber.expect(3)] == list(VERSIONS)
