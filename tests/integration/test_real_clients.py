"""What every MQTT client library must be able to do with the broker, in every version of the protocol it speaks."""

import hashlib
import random

import pytest

from client_driver import DRIVER_KINDS, VERSIONS

KIB = 1024
MIB = 1024 * KIB

pytestmark = [pytest.mark.parametrize("version", VERSIONS), pytest.mark.parametrize("kind", DRIVER_KINDS)]


def payloads(messages):
    return [message.payload for message in messages]


def session_present(version, answer):
    """What CONNACK said; None when the protocol (3.1) or the library does not tell."""
    return None if version == "31" else {"0": False, "1": True, None: None}[answer.get("present")]


def numbers(first, last):
    return [str(number).encode() for number in range(first, last)]


def test_publish_subscribe_unsubscribe(new_client, name, kind, version):
    """Each QoS both ways, and nothing more after UNSUBSCRIBE."""
    client = new_client(kind, version)
    assert client.connect(name)["reason"] == "0"
    for qos in (0, 1, 2):
        assert client.subscribe(f"{name}/{qos}", qos) == qos
        assert client.publish(f"{name}/{qos}", b"hello \x00\xff", qos) == 0
        message = client.expect_one()
        assert (message.topic, message.payload, message.qos) == (f"{name}/{qos}", b"hello \x00\xff", qos)
        assert not message.retain and not message.dup
    client.unsubscribe(f"{name}/1")
    client.publish(f"{name}/1", b"not wanted", 1)
    client.publish(f"{name}/2", b"wanted", 2)
    assert client.expect_one().payload == b"wanted"
    client.disconnect()
    assert client.nothing_more()


def test_the_lower_qos_of_the_two(new_client, name, kind, version):
    client = new_client(kind, version)
    client.connect(name)
    for granted in (0, 1, 2):
        client.subscribe(f"{name}/{granted}/+", granted)
        for published in (0, 1, 2):
            client.publish(f"{name}/{granted}/{published}", b"x", published)
            assert client.expect_one().qos == min(granted, published)


def test_wildcards(new_client, name, kind, version):
    client = new_client(kind, version)
    client.connect(name)
    client.subscribe(f"{name}/+/end", 0)
    client.subscribe(f"{name}/deep/#", 0)
    for topic in ("a/end", "a/other", "deep", "deep/1/2/3", "/end"):
        client.publish(f"{name}/{topic}", topic.encode(), 1)
    client.subscribe(f"{name}/last", 0)
    client.publish(f"{name}/last", b"last", 1)
    got = client.expect(5)
    assert payloads(got) == [b"a/end", b"deep", b"deep/1/2/3", b"/end", b"last"]


def test_retained(new_client, name, kind, version):
    """Kept with its QoS, sent to new subscribers with the flag, to present ones without it, deleted by an empty payload."""
    client = new_client(kind, version)
    client.connect(name)
    client.subscribe(f"{name}/+/now", 2)
    for qos in (0, 1, 2):
        client.publish(f"{name}/{qos}/now", f"old {qos}".encode(), qos, retain=True)
        client.publish(f"{name}/{qos}/now", f"value {qos}".encode(), qos, retain=True)
        assert [message.retain for message in client.expect(2)] == [False, False]
    late = new_client(kind, version)
    late.connect(name + "l")
    for qos in (0, 1, 2):
        late.subscribe(f"{name}/{qos}/#", 2)
        message = late.expect_one()
        assert (message.payload, message.qos, message.retain) == (f"value {qos}".encode(), qos, True)
        client.publish(f"{name}/{qos}/now", b"", qos, retain=True)
        assert late.expect_one().payload == b""
    later = new_client(kind, version)
    later.connect(name + "L")
    later.subscribe(f"{name}/#", 2)
    later.publish(f"{name}/end", b"end", 0)
    assert later.expect_one().payload == b"end"


def test_will(new_client, name, kind, version):
    """Published when the process dies, not after DISCONNECT."""
    witness = new_client(kind, version)
    witness.connect(name + "w")
    witness.subscribe(f"{name}/will/#", 2)
    for qos in (0, 1, 2):
        polite, dying = new_client(kind, version), new_client(kind, version)
        for who, client in (("polite", polite), ("dying", dying)):
            client.connect(f"{name}{who[0]}", will_topic=f"{name}/will/{qos}", will_payload=f"{who} {qos}".encode(), will_qos=qos,
                           will_retain=1)
        polite.disconnect()
        dying.kill()
        message = witness.expect_one()
        assert (message.payload, message.qos, message.retain) == (f"dying {qos}".encode(), qos, False)
        late = new_client(kind, version)
        late.connect(name + "L")
        late.subscribe(f"{name}/will/{qos}", 2)
        message = late.expect_one()
        assert (message.payload, message.retain) == (f"dying {qos}".encode(), True)
        late.publish(f"{name}/will/{qos}", b"", 1, retain=True)
        assert witness.expect_one().payload == b""
    assert witness.nothing_more()


def test_session_keeps_subscriptions_and_queue(new_client, name, kind, version):
    """While the client is away, after a break or a DISCONNECT, QoS 1 and 2 messages wait for it in order."""
    lasting = {"clean": 0, "expiry": 600} if version == "5" else {"clean": 0}
    publisher = new_client(kind, version)
    publisher.connect(name + "p")
    client = new_client(kind, version)
    assert session_present(version, client.connect(name, **lasting)) is not True
    assert client.subscribe(f"{name}/one", 1) == 1
    assert client.subscribe(f"{name}/two", 2) == 2
    for leave in ("disconnect", "kill"):
        getattr(client, leave)()
        publisher.burst(f"{name}/one", 300, 1)
        publisher.burst(f"{name}/two", 300, 2)
        client = new_client(kind, version)
        assert session_present(version, client.connect(name, **lasting)) is not False
        got = client.expect(600)
        assert payloads(got) == numbers(0, 300) + numbers(0, 300)
        assert [message.qos for message in got] == [1] * 300 + [2] * 300
        publisher.publish(f"{name}/one", b"live", 0)
        assert client.expect_one().payload == b"live"
    client.disconnect()
    fresh = new_client(kind, version)
    assert session_present(version, fresh.connect(name, clean=1)) is not True
    publisher.publish(f"{name}/one", b"nobody", 1)
    fresh.subscribe(f"{name}/probe", 1)
    fresh.publish(f"{name}/probe", b"probe", 1)
    assert fresh.expect_one().payload == b"probe"


@pytest.mark.parametrize("size", [256 * KIB, 10 * MIB])
def test_large_payloads(new_client, name, tmp_path, kind, version, size):
    path = tmp_path / "payload"
    path.write_bytes(random.Random(size).randbytes(size))
    wanted = hashlib.sha256(path.read_bytes()).hexdigest()
    client = new_client(kind, version)
    client.connect(name)
    for qos in (0, 1, 2):
        client.subscribe(f"{name}/{qos}", qos)
        client.publish_file(f"{name}/{qos}", path, qos)
        message = client.expect_one()
        assert message.qos == qos and len(message.payload) == size
        assert hashlib.sha256(message.payload).hexdigest() == wanted


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_a_thousand_messages_in_order(new_client, name, kind, version, qos):
    subscriber, publisher = new_client(kind, version), new_client(kind, version)
    subscriber.connect(name + "s")
    publisher.connect(name + "p")
    subscriber.subscribe(f"{name}/t", qos)
    publisher.burst(f"{name}/t", 1000, qos)
    got = subscriber.expect(1000)
    assert payloads(got) == numbers(0, 1000)
    assert {message.qos for message in got} == {qos}
    assert subscriber.nothing_more()


def test_empty_client_id(new_client, name, kind, version):
    """3.1.1 and 5 let the server choose, and 5 tells what it chose; 3.1 wants an id."""
    client = new_client(kind, version)
    if version == "31":
        client.connect(name)
        return
    answer = client.connect("")
    if version == "5":
        assert answer["assigned"]
    client.subscribe(f"{name}/t", 1)
    client.publish(f"{name}/t", b"x", 1)
    assert client.expect_one().payload == b"x"


def test_takeover(new_client, name, kind, version):
    """A second connection with the client id ends the first one."""
    first, second = new_client(kind, version), new_client(kind, version)
    first.connect(name)
    second.connect(name)
    assert first.closed.wait(60), "the older connection is still open"
    second.subscribe(f"{name}/t", 1)
    second.publish(f"{name}/t", b"mine", 1)
    assert second.expect_one().payload == b"mine"
