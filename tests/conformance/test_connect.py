"""CONNECT: what is refused, what is accepted, keep alive, taking over."""

import select
import time

import pytest

import mqtt_wire as wire
from mqtt_wire import CONNACK, PINGRESP, PUBLISH
from statements import all_versions, case, statement, versions

ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def head(version, flags, name=None, level=None, keep_alive=0):
    """The variable header of CONNECT."""
    name = name or ("MQIsdp" if version == 3 else "MQTT")
    return (wire.binary(name) + bytes([version if level is None else level, flags]) + wire.u16(keep_alive)
            + (b"\0" if version == 5 else b""))


def connect_with(version, flags, *fields, will_properties=True):
    """CONNECT with these flags and payload fields, whether they fit or not."""
    payload = b"".join(wire.binary(field) for field in fields)
    if version == 5 and flags & 4 and will_properties and len(fields) > 1:
        payload = wire.binary(fields[0]) + b"\0" + b"".join(wire.binary(field) for field in fields[1:])
    return wire.packet(wire.CONNECT, 0, head(version, flags) + payload)


MALFORMED = [
    case("reserved-flag", lambda v: connect_with(v, 0x03, "c"), v311=["3.1.2-3"], v5=["3.1.2-3"]),
    case("will-qos-3", lambda v: connect_with(v, 0x1E, "c", "t", "m"), v311=["3.1.2-14"], v5=["3.1.2-12"]),
    case("no-will-but-qos-1", lambda v: connect_with(v, 0x0A, "c"), v311=["3.1.2-11", "3.1.2-13"], v5=["3.1.2-11"]),
    case("no-will-but-qos-2", lambda v: connect_with(v, 0x12, "c"), v311=["3.1.2-11", "3.1.2-13"], v5=["3.1.2-11"]),
    case("no-will-but-retain", lambda v: connect_with(v, 0x22, "c"), v311=["3.1.2-11", "3.1.2-15"], v5=["3.1.2-13"]),
    case("no-will-but-fields", lambda v: connect_with(v, 0x02, "c", "t", "m"), v311=["3.1.2-11"], v5=["3.1.4-1"]),
    case("will-without-fields", lambda v: connect_with(v, 0x06, "c"), v311=["3.1.2-9"], v5=["3.1.2-9"]),
    case("will-without-payload", lambda v: connect_with(v, 0x06, "c", "t"), v311=["3.1.2-9"], v5=["3.1.2-9"]),
    case("will-without-topic", lambda v: connect_with(v, 0x06, "c", "", "m"), v311=["4.7.3-1"], v5=["4.7.3-1"]),
    case("will-topic-with-plus", lambda v: connect_with(v, 0x06, "c", "a/+", "m"), v311=["4.7.1-1"], v5=["4.7.0-1"]),
    case("will-topic-with-hash", lambda v: connect_with(v, 0x06, "c", "a/#", "m"), v311=["4.7.1-1"], v5=["4.7.0-1"]),
    case("user-name-without-flag", lambda v: connect_with(v, 0x02, "c", "u"), v311=["3.1.2-18"], v5=["3.1.2-16"]),
    case("user-name-missing", lambda v: connect_with(v, 0x82, "c"), v311=["3.1.2-19"], v5=["3.1.2-17"]),
    case("password-without-flag", lambda v: connect_with(v, 0x82, "c", "u", "p"), v311=["3.1.2-20"], v5=["3.1.2-18"]),
    case("password-missing", lambda v: connect_with(v, 0xC2, "c", "u"), v311=["3.1.2-21"], v5=["3.1.2-19"]),
    case("client-id-missing", lambda v: connect_with(v, 0x02), v311=["3.1.3-3"], v5=["3.1.3-3"]),
    case("client-id-cut", lambda v: wire.packet(wire.CONNECT, 0, head(v, 2) + b"\x00\x05abc"), v311=["3.1.3-3"], v5=["3.1.3-3"]),
    case("no-keep-alive", lambda v: wire.packet(wire.CONNECT, 0, head(v, 2)[:8]), v311=["3.1.4-1"], v5=["3.1.4-1"]),
    case("no-flags", lambda v: wire.packet(wire.CONNECT, 0, head(v, 2)[:7]), v311=["3.1.4-1"], v5=["3.1.4-1"]),
    case("empty-body", lambda v: b"\x10\x00", v311=["3.1.4-1"], v5=["3.1.4-1"]),
]


@statement("3.1.1", "MQTT-3.1.4-1", "MQTT-3.2.2-6", "MQTT-4.8.0-1")
@statement("5.0", "MQTT-3.1.4-1", "MQTT-3.14.0-1", "MQTT-4.13.1-1")
@versions(4, 5)
@pytest.mark.parametrize("build", MALFORMED)
def test_malformed_connect_is_refused(dial, version, build):
    client = dial(version)
    client.send(build(version))
    client.expect_refused(*((0x81, 0x82, 0x90, None) if version == 5 else ()))


@statement("3.1.1", "MQTT-3.1.2-22")
@versions(4)
def test_password_without_user_name_is_refused(dial, version):
    client = dial(version)
    client.send(connect_with(version, 0x42, "c", "p"))
    client.expect_refused()


@statement("5.0", "MQTT-3.1.2-16")
def test_password_without_user_name_is_well_formed_in_5(dial, name):
    """Whether it is let in is a matter of authentication: it must not be called malformed."""
    client = dial(5)
    client.send(connect_with(5, 0x42, name, "p"))
    assert client.expect(CONNACK).reason not in (0x81, 0x82)


FIRST = {
    "connack": b"\x20\x02\x00\x00", "publish": wire.publish(4, "t", b"m"), "puback": wire.ack(4, 4, 1),
    "pubrec": wire.ack(4, 5, 1), "pubrel": wire.ack(4, 6, 1), "pubcomp": wire.ack(4, 7, 1),
    "subscribe": wire.subscribe(4, 1, [("t", 0)]), "suback": b"\x90\x03\x00\x01\x00", "unsubscribe": wire.unsubscribe(4, 1, ["t"]),
    "unsuback": b"\xb0\x02\x00\x01", "pingreq": wire.pingreq(), "pingresp": b"\xd0\x00", "disconnect": b"\xe0\x00",
    "auth": wire.auth(0x18), "type-0": b"\x00\x00",
}


@statement("3.1.1", "MQTT-3.1.0-1")
@statement("5.0", "MQTT-3.1.0-1", "MQTT-3.14.0-1", "MQTT-4.12.0-6")
@pytest.mark.parametrize("packet", FIRST.values(), ids=FIRST)
def test_first_packet_other_than_connect_closes(dial, packet):
    """No packet comes back: neither CONNACK nor DISCONNECT may answer what is not a CONNECT."""
    client = dial(5)
    client.send(packet)
    assert client.receive() is None


@statement("3.1.1", "MQTT-3.1.0-2", "MQTT-4.8.0-1")
@statement("5.0", "MQTT-3.1.0-2", "MQTT-3.2.0-2", "MQTT-4.13.1-1")
@all_versions
def test_second_connect_closes(join, name, version):
    client = join(version, name)
    client.send(wire.connect(version, name))
    client.expect_closed(0x82)


@statement("3.1.1", "MQTT-3.1.0-2")
@statement("5.0", "MQTT-3.1.0-2")
@all_versions
def test_second_connect_in_the_same_write_closes(dial, name, version):
    client = dial(version)
    client.send(wire.connect(version, name), wire.connect(version, name), wire.pingreq())
    client.expect(CONNACK, reason=0)
    client.expect_closed(0x82)


@statement("3.1.1", "MQTT-3.1.2-1")
@statement("5.0", "MQTT-3.1.2-1")
@versions(4, 5)
@pytest.mark.parametrize("protocol", ["", "mqtt", "MQTT ", "MQT", "HTTP", "MQTTT", "MQIsdp"])
def test_wrong_protocol_name_closes(dial, name, version, protocol):
    client = dial(version)
    client.send(wire.connect(version, name, protocol=protocol), wire.pingreq())
    got = client.read_packet()
    assert got in (None, (0x20, b"\x00\x84\x00"), (0x20, b"\x00\x01"))
    assert got is None or client.read_packet() is None


@statement("3.1.1", "MQTT-3.1.2-2", "MQTT-3.2.2-4", "MQTT-3.2.2-5")
@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_old_protocol_level_is_answered_with_0x01(dial, name, level):
    client = dial(4)
    client.send(wire.connect(4, name, level=level), wire.pingreq())
    client.expect(CONNACK, reason=1, session_present=False)
    client.expect_closed()


@statement("3.1.1", "MQTT-3.1.2-2")
@statement("5.0", "MQTT-3.1.2-2")
@pytest.mark.parametrize("level", [6, 7, 100, 127, 255])
def test_future_protocol_level_is_answered_with_0x01_or_0x84(dial, name, level):
    """The form of a packet of a version that does not exist is unknown: both known forms of CONNACK will do."""
    client = dial(5)
    client.send(wire.connect(5, name, level=level), wire.pingreq())
    assert client.read_packet() in ((0x20, b"\x00\x01"), (0x20, b"\x00\x84\x00"))
    assert client.read_packet() is None


# --- client ids ----------------------------------------------------------------------------------------------------------


@statement("3.1.1", "MQTT-3.1.3-5", "MQTT-3.1.4-4")
@statement("5.0", "MQTT-3.1.3-5", "MQTT-3.1.4-5")
@all_versions
@pytest.mark.parametrize("client_id", ["Z", "9", ALPHABET[:23], ALPHABET[23:46], ALPHABET[46:], ALPHABET[39:]])
def test_client_ids_of_1_to_23_letters_and_digits_are_allowed(join, version, client_id):
    join(version, client_id).disconnect()


@statement("3.1.1", "MQTT-3.1.3-9")
@statement("5.0", "MQTT-3.1.3-8", "MQTT-3.1.4-2", "MQTT-4.13.2-1")
@versions(4, 5)
def test_a_refused_client_id_gets_its_code_and_the_end(broker_with, dial, version):
    client = dial(version, broker_with(limits__max_client_id_bytes=23))
    client.send(wire.connect(version, "x" * 24), wire.pingreq())
    client.expect_refused(0x85 if version == 5 else 2)


@statement("3.1.1", "MQTT-3.1.3-7", "MQTT-3.1.3-8", "MQTT-3.2.2-4", "MQTT-3.2.2-5")
@versions(4)
def test_empty_client_id_needs_a_clean_session(dial, version):
    client = dial(version)
    client.send(wire.connect(version, "", clean=False), wire.pingreq())
    client.expect_refused(2)


@statement("3.1.1", "MQTT-3.1.3-6")
@versions(4)
def test_empty_client_ids_are_served_as_different_clients(dial, name, version):
    one, two = (dial(version).handshake("") for _ in range(2))
    one.subscribe(name)
    two.subscribe(name)
    two.publish(name, b"m")
    one.expect(PUBLISH, payload=b"m")
    two.expect(PUBLISH, payload=b"m")


# --- keep alive ----------------------------------------------------------------------------------------------------------


@statement("3.1.1", "MQTT-3.1.2-24")
@statement("5.0", "MQTT-3.1.2-22", "MQTT-3.2.2-22")
@all_versions
def test_silence_ends_a_connection_and_packets_keep_it(join, version):
    """The silent client is disconnected; the one that pings and the one with keep alive 0 are still there then."""
    began = time.monotonic()
    silent, pinging, careless = join(version, keep_alive=1), join(version, keep_alive=1), join(version, keep_alive=0)
    while not select.select([silent.socket], [], [], 0.3)[0]:
        pinging.barrier()
        assert time.monotonic() - began < 20, "the silent client was not disconnected"
    assert time.monotonic() - began >= 1, "disconnected before its keep alive was over"
    silent.expect_closed(0x8D)
    pinging.barrier()
    careless.barrier()


@statement("5.0", "MQTT-3.1.2-22")
def test_server_keep_alive_is_announced_and_used(broker_with, dial):
    client = dial(5, broker_with(limits__server_keep_alive=1)).handshake("c", keep_alive=0)
    assert wire.value_of(client.connack, wire.SERVER_KEEP_ALIVE) == 1
    client.expect_closed(0x8D)


# --- taking over ---------------------------------------------------------------------------------------------------------


@statement("3.1.1", "MQTT-3.1.4-2", "MQTT-3.1.3-2")
@statement("5.0", "MQTT-3.1.4-3", "MQTT-3.1.3-2")
@all_versions
@pytest.mark.parametrize("clean", [True, False], ids=["clean", "resumed"])
def test_the_newer_connection_of_a_client_id_wins(join, name, version, clean):
    older = join(version, name, clean=clean)
    newer = join(version, name, clean=clean)
    assert older.expect_closed(0x8E) == (0x8E if version == 5 else None)
    newer.barrier()


@statement("3.1.1", "MQTT-3.1.4-2")
@statement("5.0", "MQTT-3.1.4-3")
@pytest.mark.parametrize("old,new", [(4, 5), (5, 4), (3, 5)])
def test_taking_over_works_across_versions(join, name, old, new):
    older, newer = join(old, name), join(new, name)
    older.expect_closed(0x8E)
    newer.barrier()


@statement("3.1.1", "MQTT-3.1.3-2")
@statement("5.0", "MQTT-3.1.3-2")
@all_versions
def test_client_ids_are_compared_exactly(join, name, version):
    clients = [join(version, client_id) for client_id in (name + "a", name + "A", name + "aa")]
    for client in clients:
        client.barrier()


# --- after a refusal -----------------------------------------------------------------------------------------------------


@statement("3.1.1", "MQTT-3.1.4-5")
@statement("5.0", "MQTT-3.1.4-6", "MQTT-3.2.2-7")
@versions(4, 5)
def test_nothing_after_a_refused_connect_is_processed(dial, join, name, version):
    refused = dial(version)
    bad = wire.connect(5, name, props=[(wire.AUTH_METHOD, "none")]) if version == 5 else wire.connect(4, "", clean=False)
    refused.send(bad, wire.publish(version, name, b"ghost", retain=True))
    refused.expect_refused(0x8C if version == 5 else 2)
    assert join(version).retained(name) == {}


@statement("3.1.1", "MQTT-3.1.4-4", "MQTT-3.1.3-1")
@statement("5.0", "MQTT-3.1.4-5", "MQTT-3.1.3-1", "MQTT-3.2.0-2")
@versions(3, 4, 5)
def test_all_payload_fields_in_their_order(dial, join, name, version):
    """Every field is used: the will that is published later is the one between client id and user name."""
    watcher = join(version)
    watcher.subscribe(f"{name}/will")
    client = dial(version)
    will = wire.will(f"{name}/will", b"gone", props=[(wire.CONTENT_TYPE, "text")])
    client.handshake(name, will=will, user="user", password=b"\0\xff")
    client.barrier()
    client.drop()
    watcher.expect(PUBLISH, topic=f"{name}/will", payload=b"gone", props=will.props if version == 5 else [])


@statement("3.1.1", "MQTT-3.1.0-2")
@statement("5.0", "MQTT-3.2.0-2")
@all_versions
def test_one_connack_even_after_much_traffic(join, name, version):
    """A second CONNACK would be refused by the test's client."""
    client = join(version, name)
    client.subscribe(name)
    for _ in range(10):
        client.publish(name, b"m")
    client.send(wire.pingreq())
    assert [client.receive().kind for _ in range(11)] == [PUBLISH] * 10 + [PINGRESP]
