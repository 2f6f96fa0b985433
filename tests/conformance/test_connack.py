"""CONNACK: session present, assigned client ids, what is announced, errors."""

import pytest

import mqtt_wire as wire
from mqtt_wire import CONNACK, PUBLISH
from statements import all_versions, statement, versions

FOREVER = [(wire.SESSION_EXPIRY, 0xFFFFFFFF)]


def lasting(version):
    """Fields of a CONNECT whose session outlives the connection."""
    return {"clean": False, "props": FOREVER if version == 5 else []}


@statement("3.1.1", "MQTT-3.2.2-1", "MQTT-3.2.0-1", "MQTT-3.1.2-6", "MQTT-3.1.4-3")
@statement("5.0", "MQTT-3.2.2-1", "MQTT-3.2.2-2", "MQTT-3.2.0-1", "MQTT-3.1.2-4", "MQTT-3.1.4-4")
@versions(4, 5)
def test_a_clean_start_has_no_session(join, name, version):
    join(version, name, **lasting(version)).disconnect()
    client = join(version, name, clean=True)
    assert not client.connack.session_present


@statement("3.1.1", "MQTT-3.2.2-2", "MQTT-3.2.2-3", "MQTT-3.1.2-4", "MQTT-3.1.4-3")
@statement("5.0", "MQTT-3.2.2-3", "MQTT-3.1.2-5", "MQTT-3.1.2-6", "MQTT-3.1.4-4")
@versions(4, 5)
def test_session_present_tells_whether_there_was_a_session(join, name, version):
    first = join(version, name, **lasting(version))
    assert not first.connack.session_present
    first.disconnect()
    assert join(version, name, **lasting(version)).connack.session_present


@statement("3.1.1", "MQTT-3.2.2-2", "MQTT-4.1.0-2")
@statement("5.0", "MQTT-3.2.2-3", "MQTT-4.1.0-1")
@versions(4, 5)
def test_session_is_present_when_taken_over(join, name, version):
    join(version, name, **lasting(version))
    assert join(version, name, **lasting(version)).connack.session_present


@statement("3.1.1", "MQTT-3.2.2-2")
@statement("5.0", "MQTT-3.2.2-3")
@pytest.mark.parametrize("first,second", [(4, 5), (5, 4), (3, 5), (3, 4)])
def test_a_session_is_resumed_by_another_version(join, name, first, second):
    join(first, name, **lasting(first)).disconnect()
    assert join(second, name, **lasting(second)).connack.session_present


@statement("3.1.1", "MQTT-3.2.0-1")
@statement("5.0", "MQTT-3.2.0-1")
@all_versions
def test_connack_comes_before_the_messages_that_waited(join, name, version):
    """The test's client refuses anything before CONNACK."""
    sleeper, publisher = join(version, name, **lasting(version)), join(version)
    sleeper.subscribe(f"{name}/t", qos=1)
    sleeper.disconnect()
    for index in range(50):
        publisher.publish(f"{name}/t", bytes([index]), qos=1)
    awake = join(version, name, **lasting(version))
    assert [awake.take().payload[0] for _ in range(50)] == list(range(50))


@statement("5.0", "MQTT-3.1.3-6", "MQTT-3.1.3-7", "MQTT-3.2.2-16")
def test_an_empty_client_id_is_assigned_a_unique_one(dial):
    ids = [wire.value_of(dial(5).handshake("").connack, wire.ASSIGNED_CLIENT_ID) for _ in range(20)]
    assert all(ids) and len(set(ids)) == len(ids)


@statement("5.0", "MQTT-3.1.3-7")
def test_the_assigned_client_id_is_the_client_id(dial, join, name):
    """It resumes the session that was opened without an id, and clean start 0 is served too."""
    first = dial(5).handshake("", clean=False, props=FOREVER)
    client_id = wire.value_of(first.connack, wire.ASSIGNED_CLIENT_ID)
    first.subscribe(name)
    first.disconnect()
    second = join(5, client_id, clean=False, props=FOREVER)
    assert second.connack.session_present
    second.publish(name, b"m")
    second.expect(PUBLISH, topic=name)


@statement("5.0", "MQTT-3.2.2-16")
def test_a_client_id_that_was_sent_is_not_assigned(join, name):
    assert wire.value_of(join(5, name).connack, wire.ASSIGNED_CLIENT_ID) is None


@statement("5.0", "MQTT-3.2.2-9", "MQTT-3.2.2-10")
def test_every_qos_is_served(join, name):
    """QoS 1 and 2 work, so Maximum QoS must not be announced lower."""
    client = join(5)
    assert wire.value_of(client.connack, wire.MAXIMUM_QOS) is None
    client.subscribe((f"{name}/0", 0), (f"{name}/1", 1), (f"{name}/2", 2))
    for qos in (0, 1, 2):
        client.publish(f"{name}/{qos}", b"m", qos=0)
        client.expect(PUBLISH, topic=f"{name}/{qos}")


def test_announced_abilities_are_true(join):
    """What may be left out has the default 1; nothing may be announced as missing, since the other tests use it all."""
    connack = join(5).connack
    for ability in (wire.RETAIN_AVAILABLE, wire.WILDCARD_AVAILABLE, wire.SUB_ID_AVAILABLE, wire.SHARED_AVAILABLE):
        assert wire.value_of(connack, ability, 1) == 1


@statement("5.0", "MQTT-3.1.2-28")
@pytest.mark.parametrize("props", [[], [(wire.REQUEST_RESPONSE, 0)]], ids=["absent", "0"])
def test_no_response_information_unless_requested(join, props):
    assert wire.value_of(join(5, props=props).connack, wire.RESPONSE_INFO) is None


@statement("5.0", "MQTT-4.12.0-6")
def test_no_authentication_method_in_connack_without_one_in_connect(join):
    connack = join(5, user="someone", password="secret").connack
    assert wire.value_of(connack, wire.AUTH_METHOD) is None
    assert wire.value_of(connack, wire.AUTH_DATA) is None


@statement("5.0", "MQTT-3.2.2-6", "MQTT-3.2.2-7", "MQTT-3.2.2-8", "MQTT-4.13.2-1")
def test_a_refusal_has_no_session_and_ends_the_connection(dial, join, name):
    """There is a session for the client id: a refused CONNECT must not tell."""
    join(5, name, clean=False, props=FOREVER).disconnect()
    client = dial(5)
    client.send(wire.connect(5, name, clean=False, props=FOREVER + [(wire.AUTH_METHOD, "no-such-method")]))
    assert not client.expect_refused(0x8C, 0x87).session_present


@statement("5.0", "MQTT-3.2.2-19", "MQTT-3.2.2-20", "MQTT-3.1.2-24")
@pytest.mark.parametrize("size", [5, 6, 8, 12, 20, 40])
def test_a_refusal_fits_the_maximum_packet_size(dial, name, size):
    """CONNACK with a code and nothing else has 5 bytes, so it always fits here: only its extras may be missing."""
    client = dial(5)
    client.maximum_packet_size = size
    client.send(wire.connect(5, name, props=[(wire.MAXIMUM_PACKET_SIZE, size), (wire.AUTH_METHOD, "none")]))
    client.expect_refused(0x8C, 0x87)


@statement("5.0", "MQTT-3.2.2-19", "MQTT-3.2.2-20")
def test_connack_fits_the_maximum_packet_size(dial, join, name):
    full = join(5)
    limit = full.connack.size
    client = dial(5)
    client.handshake(name, props=[(wire.MAXIMUM_PACKET_SIZE, limit)])
    assert client.connack.size <= limit


@statement("5.0", "MQTT-3.2.2-1")
@statement("3.1.1", "MQTT-3.2.2-1")
@versions(4, 5)
def test_the_bytes_of_connack(dial, name, version):
    """Flags and reason code are the first two bytes, and the flags are 0."""
    client = dial(version)
    client.send(wire.connect(version, name))
    first, body = client.read_packet()
    assert first >> 4 == CONNACK and first & 15 == 0 and body[:2] == b"\0\0"
    assert version == 5 or len(body) == 2


@statement("5.0", "MQTT-3.1.2-23", "MQTT-3.2.2-3")
def test_a_session_without_expiry_ends_with_its_connection(join, name):
    join(5, name, clean=False).disconnect()
    assert not join(5, name, clean=False).connack.session_present
