"""MQTT 3.1: what differs from 3.1.1. It has no numbered statements; the tests follow the 3.1 specification."""

import pytest

import mqtt_wire as wire
from mqtt_wire import CONNACK, PUBLISH, SUBACK


def test_the_name_is_mqisdp(dial, name):
    client = dial(3)
    client.send(wire.connect(3, name))
    assert client.read_packet() == (0x20, b"\0\0")


@pytest.mark.parametrize("protocol,level", [("MQTT", 3), ("MQIsdp", 4), ("MQIsdp", 5), ("mqisdp", 3), ("MQISDP", 3)])
def test_name_and_level_belong_together(dial, name, protocol, level):
    """CONNACK 0x01 or nothing, then the end."""
    client = dial(3)
    client.send(wire.connect(3, name, protocol=protocol, level=level), wire.pingreq())
    got = client.read_packet()
    assert got in (None, (0x20, b"\0\1"), (0x20, b"\0\x84\0"))
    assert got is None or client.read_packet() is None


@pytest.mark.parametrize("length", [1, 23])
def test_client_ids_of_1_to_23_characters(join, name, length):
    join(3, name[:1].ljust(length, "x")).disconnect()


def test_longer_client_ids_are_served(join, name):
    """3.1 asks for 0x02; servers have long accepted them, and clients rely on it."""
    client = join(3, name + "x" * 60)
    client.subscribe(name)
    client.publish(name, b"m")
    client.expect(PUBLISH, payload=b"m")


@pytest.mark.parametrize("clean", [True, False])
def test_an_empty_client_id_is_refused_with_0x02(dial, clean):
    client = dial(3)
    client.send(wire.connect(3, "", clean=clean), wire.pingreq())
    client.expect_refused(2)


def test_connack_has_no_session_present(join, name):
    """The byte is reserved in 3.1, so it is 0 even when there is a session; the session itself is resumed."""
    client, publisher = join(3, name, clean=False), join(3)
    client.subscribe(f"{name}/t", qos=1)
    client.disconnect()
    publisher.publish(f"{name}/t", b"m", qos=1)
    client = join(3, name, clean=False)
    assert client.connack.kind == CONNACK and not client.connack.session_present
    client.take(payload=b"m")


def test_all_three_qos(join, name):
    subscriber, publisher = join(3), join(3)
    subscriber.subscribe(name, qos=2)
    for qos in (0, 1, 2):
        publisher.publish(name, b"m", qos=qos)
        subscriber.take(qos=qos)


def test_several_filters(join, name):
    client = join(3)
    client.send(wire.subscribe(3, 5, [(f"{name}/a", 1), (f"{name}/b", 2)]))
    client.expect(SUBACK, packet_id=5, codes=[1, 2])


def test_a_repeated_subscribe_may_have_dup(join, name):
    """3.1 lets clients repeat SUBSCRIBE with DUP; a server that knows 3.1.1 too may answer or close."""
    client = join(3)
    client.send(wire.subscribe(3, 5, [(name, 0)], flags=0x0A))
    got = client.receive()
    assert got is None or (got.kind, got.packet_id) == (SUBACK, 5)
