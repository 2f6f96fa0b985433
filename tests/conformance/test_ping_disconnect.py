"""PINGREQ, DISCONNECT in both directions."""

import pytest

import mqtt_wire as wire
from mqtt_wire import CONNACK, DISCONNECT, PINGRESP, PUBLISH
from statements import all_versions, case, statement, versions


@statement("3.1.1", "MQTT-3.12.4-1")
@statement("5.0", "MQTT-3.12.4-1")
@all_versions
def test_every_pingreq_is_answered(join, version):
    client = join(version)
    client.send(wire.pingreq() * 20)
    for _ in range(20):
        client.expect(PINGRESP)


@statement("3.1.1", "MQTT-4.8.0-1")
@statement("5.0", "MQTT-4.13.1-1")
@versions(4, 5)
def test_pingreq_with_a_body_closes(join, version):
    client = join(version)
    client.send(b"\xc0\x01\x00")
    client.expect_closed(0x81)


@statement("3.1.1", "MQTT-3.14.4-2")
@statement("5.0", "MQTT-3.14.4-1")
@all_versions
def test_nothing_after_disconnect_is_processed(join, name, version):
    reader, client = join(version), join(version)
    reader.subscribe(name)
    client.send(wire.publish(version, name, b"before"), wire.disconnect(version), wire.publish(version, name, b"after"),
                wire.pingreq())
    assert client.receive() is None
    reader.expect(PUBLISH, payload=b"before")
    reader.fence(join(version))


@statement("3.1.1", "MQTT-3.14.4-3")
@statement("5.0", "MQTT-3.14.4-3")
@all_versions
def test_the_server_closes_after_disconnect_without_a_word(join, version):
    client = join(version)
    client.send(wire.disconnect(version))
    assert client.receive() is None


@statement("5.0", "MQTT-3.14.4-3")
@pytest.mark.parametrize("form", [b"\xe0\x00", b"\xe0\x01\x00", b"\xe0\x02\x00\x00"], ids=["short", "code", "properties"])
def test_all_forms_of_a_normal_disconnect(join, name, form):
    reader = join(5)
    reader.subscribe(f"{name}/will")
    client = join(5, name, will=wire.will(f"{name}/will", b"gone"))
    client.send(form)
    assert client.receive() is None
    reader.fence(reader)


BAD = [
    case("reserved-flag", wire.disconnect(5, flags=1), (0x81,), v5=["3.14.1-1"]),
    case("code-of-servers-only", wire.disconnect(5, 0x8E), (0x81, 0x82), v5=["3.14.2-1"]),
    case("unknown-code", wire.disconnect(5, 0x05), (0x81, 0x82), v5=["3.14.2-1"]),
    case("bytes-after-the-properties", b"\xe0\x03\x00\x00\x00", (0x81,), v5=["4.13.1-1"]),
    case("expiry-twice", wire.disconnect(5, 0, [(wire.SESSION_EXPIRY, 1)] * 2), (0x81, 0x82), v5=["4.13.1-1"]),
    case("property-of-connect", wire.disconnect(5, 0, [(wire.RECEIVE_MAXIMUM, 1)]), (0x81, 0x82), v5=["4.13.1-1"]),
]


@versions(5)
@pytest.mark.parametrize("packet,reasons", BAD)
def test_malformed_disconnect_is_an_error(join, name, version, packet, reasons):
    """It does not count as a goodbye: the will is published."""
    reader = join(version)
    reader.subscribe(f"{name}/will")
    client = join(version, name, will=wire.will(f"{name}/will", b"gone"))
    client.send(packet)
    client.expect_closed(*reasons)
    reader.expect(PUBLISH, topic=f"{name}/will")


@statement("5.0", "MQTT-3.14.2-1")
@pytest.mark.parametrize("code", [0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99])
def test_codes_that_a_client_may_send_are_accepted(join, code):
    client = join(5)
    client.send(wire.disconnect(5, code))
    assert client.receive() is None


@statement("5.0", "MQTT-3.1.2-23", "MQTT-4.13.1-1")
def test_expiry_cannot_be_raised_from_0_by_disconnect(join, name):
    client = join(5, name)
    client.send(wire.disconnect(5, 0, [(wire.SESSION_EXPIRY, 100)]))
    client.expect_closed(0x82)
    assert not join(5, name, clean=False).connack.session_present


@statement("5.0", "MQTT-3.1.2-23", "MQTT-4.1.0-2")
@pytest.mark.parametrize("first,then,present", [(100, 0, False), (1, 100, True), (100, None, True)])
def test_expiry_can_be_changed_by_disconnect(join, name, first, then, present):
    client = join(5, name, clean=False, props=[(wire.SESSION_EXPIRY, first)])
    client.disconnect(0, [] if then is None else [(wire.SESSION_EXPIRY, then)])
    assert join(5, name, clean=False).connack.session_present == present


# --- DISCONNECT from the server -------------------------------------------------------------------------------------------

ERRORS = {
    "malformed": (lambda: b"\x36\0", 0x81), "protocol-error": (lambda: wire.connect(5, "x"), 0x82),
    "alias": (lambda: wire.publish(5, "t", props=[(wire.TOPIC_ALIAS, 65535)]), 0x94),
}


@statement("5.0", "MQTT-3.14.0-1", "MQTT-3.14.2-1", "MQTT-3.14.2-2", "MQTT-3.14.4-1", "MQTT-3.14.4-2", "MQTT-4.13.2-1")
@pytest.mark.parametrize("error", ERRORS)
def test_the_servers_disconnect_is_its_last_packet(join, error):
    """After CONNACK, with a code of the table and without a session expiry; then the end, even with packets still coming."""
    packet, reason = ERRORS[error]
    client = join(5)
    client.send(packet() + wire.pingreq() * 3)
    got = client.expect(DISCONNECT, reason=reason)
    assert wire.value_of(got, wire.SESSION_EXPIRY) is None
    assert client.receive() is None


@statement("5.0", "MQTT-3.14.2-3", "MQTT-3.14.2-4")
@pytest.mark.parametrize("error", ERRORS)
def test_the_servers_disconnect_fits_the_maximum_packet_size(join, name, error):
    """As small as CONNACK allows. The test's client refuses a packet that is larger."""
    packet, reason = ERRORS[error]
    limit = join(5).connack.size
    client = join(5, name, props=[(wire.MAXIMUM_PACKET_SIZE, limit)])
    client.send(packet())
    client.expect_closed(reason)


@statement("3.1.1", "MQTT-4.8.0-1")
@statement("5.0", "MQTT-4.13.1-1")
@all_versions
@pytest.mark.parametrize("packet", [b"\x20\x02\0\0", b"\x90\x03\0\1\0", b"\xb0\x02\0\1", b"\xd0\0", b"\0\0"],
                         ids=["connack", "suback", "unsuback", "pingresp", "type-0"])
def test_packets_of_a_server_close(join, version, packet):
    client = join(version)
    client.send(packet)
    client.expect_closed(0x81, 0x82)


@statement("3.1.1", "MQTT-4.8.0-1")
@versions(3, 4)
def test_type_15_closes_before_5(join, version):
    client = join(version)
    client.send(wire.auth(0x18))
    client.expect_closed()


@statement("5.0", "MQTT-3.2.0-1")
@versions(5)
def test_a_stopping_server_says_so(broker_with, dial, version):
    """SIGTERM: 0x8B to whoever is connected, nothing but the end to who has sent no CONNECT."""
    broker = broker_with()
    client, stranger = dial(version, broker).handshake("c"), dial(version, broker)
    assert client.connack.kind == CONNACK
    broker.process.terminate()
    client.expect_closed(0x8B)
    assert stranger.receive() is None
