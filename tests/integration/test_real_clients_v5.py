"""MQTT 5 with the client libraries that speak it."""

import pytest

from client_driver import DRIVER_KINDS

pytestmark = pytest.mark.parametrize("kind", DRIVER_KINDS)

PROPERTIES = {"content_type": "text/plain; charset=utf-8", "response_topic": "reply/here", "correlation": b"\x00\x01\xfe\xff",
              "expiry": 1000, "format": 1}


def test_properties_arrive_as_sent(new_client, name, kind):
    """All properties of a PUBLISH, user properties in order (MQTT.js groups repeated names, so it sends distinct ones)."""
    user = ["first=1", "second=2", "third=" + "v" * 500]
    if kind != "mqttjs":
        user += ["first=again"]
    client = new_client(kind, "5")
    client.connect(name)
    client.subscribe(f"{name}/#", 2, subid=4711)
    for qos in (0, 1, 2):
        client.publish(f"{name}/t", "Grüße".encode(), qos, user=user, **PROPERTIES)
        message = client.expect_one()
        assert message.payload == "Grüße".encode()
        assert message.properties["content_type"] == b"text/plain; charset=utf-8"
        assert message.properties["response_topic"] == b"reply/here"
        assert message.properties["correlation"] == b"\x00\x01\xfe\xff"
        assert message.properties["format"] == b"1"
        assert 900 < int(message.properties["expiry"]) <= 1000
        assert message.user == [tuple(pair.split("=", 1)) for pair in user]
        assert message.subids == [4711]


def test_retained_message_keeps_its_properties(new_client, name, kind):
    client = new_client(kind, "5")
    client.connect(name)
    client.publish(f"{name}/t", b"kept", 1, retain=True, user=["a=b"], **PROPERTIES)
    client.subscribe(f"{name}/t", 1)
    message = client.expect_one()
    assert message.retain and message.user == [("a", "b")]
    assert message.properties["correlation"] == b"\x00\x01\xfe\xff"
    client.publish(f"{name}/t", b"", 1, retain=True)


def test_subscription_options(new_client, name, kind):
    """No Local, Retain As Published and Retain Handling."""
    client, other = new_client(kind, "5"), new_client(kind, "5")
    client.connect(name)
    other.connect(name + "o")
    other.publish(f"{name}/kept", b"kept", 1, retain=True)
    client.subscribe(f"{name}/own", 1, nl=1)
    client.subscribe(f"{name}/flag", 1, rap=1)
    client.subscribe(f"{name}/kept", 1, rh=2)
    client.subscribe(f"{name}/kept", 1, rh=1)
    client.publish(f"{name}/own", b"own", 1)
    other.publish(f"{name}/own", b"other's", 1)
    assert client.expect_one().payload == b"other's"
    other.publish(f"{name}/flag", b"flag", 1, retain=True)
    message = client.expect_one()
    assert message.payload == b"flag" and message.retain
    client.subscribe(f"{name}/kept", 1, rh=0)
    assert client.expect_one().payload == b"kept"
    for topic in ("kept", "flag"):
        other.publish(f"{name}/{topic}", b"", 1, retain=True)


def test_topic_alias_from_client(new_client, name, kind):
    """The topic is sent once, then only its alias; also an alias that changes its topic."""
    client = new_client(kind, "5")
    assert int(client.connect(name)["alias_max"]) >= 2
    client.subscribe(f"{name}/#", 1)
    sent = [("long/topic/one", 1), ("two", 2), ("", 1), ("", 2), ("three", 1), ("", 1), ("", 2)]
    for index, (topic, alias) in enumerate(sent):
        client.publish(f"{name}/{topic}" if topic else "", str(index).encode(), 1, alias=alias)
    topics = [message.topic for message in client.expect(len(sent))]
    assert topics == [f"{name}/{end}" for end in ("long/topic/one", "two", "long/topic/one", "two", "three", "three", "two")]


def test_topic_alias_towards_client(new_client, name, kind):
    """A client that allows aliases gets every message under its right topic, whether the broker uses them or not."""
    client, publisher = new_client(kind, "5"), new_client("paho2", "5")
    client.connect(name, alias_max=3)
    client.subscribe(f"{name}/#", 1)
    publisher.connect(name + "p")
    wanted = []
    for round_number in range(3):
        for topic in range(6):
            publisher.publish(f"{name}/{topic}", str(round_number).encode(), topic % 2)
            wanted.append((f"{name}/{topic}", str(round_number).encode()))
    assert [(message.topic, message.payload) for message in client.expect(len(wanted))] == wanted


def test_request_and_response(new_client, name, kind):
    responder, requester = new_client(kind, "5"), new_client(kind, "5")
    responder.connect(name + "r")
    responder.subscribe(f"{name}/service", 1)
    requester.connect(name + "q")
    requester.subscribe(f"{name}/answers", 1)
    requester.publish(f"{name}/service", b"6*7", 1, response_topic=f"{name}/answers", correlation=b"id-1")
    request = responder.expect_one()
    responder.publish(request.properties["response_topic"].decode(), b"42", 1, correlation=request.properties["correlation"])
    answer = requester.expect_one()
    assert (answer.payload, answer.properties["correlation"]) == (b"42", b"id-1")


def test_shared_subscription(new_client, name, kind):
    """Each message goes to one member; with all members gone and back it goes on."""
    members = [new_client(kind, "5") for _ in range(3)]
    for index, member in enumerate(members):
        member.connect(f"{name}m{index}")
        assert member.subscribe(f"$share/group/{name}/#", 1) == 1
    publisher = new_client(kind, "5")
    publisher.connect(name + "p")
    publisher.burst(f"{name}/t", 90, 1)
    for member in members:
        member.subscribe(f"{name}-end", 1)
    publisher.publish(f"{name}-end", b"end", 1)
    got = []
    for member in members:
        message = member.expect_one()
        while message.payload != b"end":
            got.append(int(message.payload))
            message = member.expect_one()
    assert sorted(got) == list(range(90))


def test_publish_without_subscribers(new_client, name, kind):
    """It succeeds. Of these libraries only Paho Python 2.x passes reason code 0x10 on, for QoS 1."""
    client = new_client(kind, "5")
    client.connect(name)
    assert client.publish(f"{name}/nobody", b"x", 1) == (0x10 if kind == "paho2" else 0)
    assert client.publish(f"{name}/nobody", b"x", 2) == 0
    client.subscribe(f"{name}/somebody", 1)
    assert client.publish(f"{name}/somebody", b"x", 1) == 0


def test_session_expiry_changed_by_disconnect(new_client, name, kind):
    """Session Expiry Interval 0 in DISCONNECT ends the session; otherwise CONNECT's value holds."""
    publisher = new_client(kind, "5")
    publisher.connect(name + "p")
    for expiry, kept in ((0, False), (600, True)):
        client = new_client(kind, "5")
        client.connect(name, clean=0, expiry=300)
        client.subscribe(f"{name}/t", 1)
        client.disconnect(expiry=expiry)
        publisher.publish(f"{name}/t", b"meanwhile", 1)
        client = new_client(kind, "5")
        client.connect(name, clean=0, expiry=300)
        publisher.publish(f"{name}/{'t' if kept else 'u'}", b"later", 1)
        client.subscribe(f"{name}/u", 1)
        publisher.publish(f"{name}/u", b"last", 1)
        got = [message.payload for message in client.expect(3 if kept else 1)]
        assert got == ([b"meanwhile", b"later", b"last"] if kept else [b"last"])
        client.disconnect(expiry=0)


def test_will_delay(new_client, name, kind):
    """A connection that is back in time keeps its will from being sent."""
    witness = new_client(kind, "5")
    witness.connect(name + "w")
    witness.subscribe(f"{name}/#", 1)
    first = new_client(kind, "5")
    first.connect(name, clean=0, expiry=600, will_topic=f"{name}/will", will_payload=b"gone", will_qos=1, will_delay=300)
    first.kill()
    second = new_client(kind, "5")
    second.connect(name, clean=0, expiry=600, will_topic=f"{name}/will", will_payload=b"now", will_qos=1)
    second.kill()
    assert witness.expect_one().payload == b"now"
    assert witness.nothing_more()
