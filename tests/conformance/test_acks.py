"""PUBACK, PUBREC, PUBREL and PUBCOMP: identifiers, codes, sizes, malformed ones."""

import pytest

import mqtt_wire as wire
from mqtt_wire import PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL
from statements import all_versions, case, statement, versions


@statement("3.1.1", "MQTT-2.3.1-6", "MQTT-4.3.3-2")
@statement("5.0", "MQTT-2.2.1-5", "MQTT-4.3.3-8", "MQTT-4.3.3-11", "MQTT-3.7.2-1")
@all_versions
@pytest.mark.parametrize("packet_id", [1, 256, 65535])
def test_the_identifier_runs_through_the_exchange(join, name, version, packet_id):
    client = join(version)
    client.send(wire.publish(version, name, b"m", 2, packet_id))
    client.expect(PUBREC, packet_id=packet_id)
    client.send(wire.ack(version, PUBREL, packet_id))
    client.expect(PUBCOMP, packet_id=packet_id, reason=0)


@statement("3.1.1", "MQTT-4.3.3-2")
@statement("5.0", "MQTT-4.3.3-11", "MQTT-3.7.2-1")
@all_versions
def test_a_release_of_nothing_is_completed(join, version):
    """In 5.0 with the code for an identifier that is not known."""
    client = join(version)
    client.send(wire.ack(version, PUBREL, 77))
    client.expect(PUBCOMP, packet_id=77, reason=0x92 if version == 5 else 0)


@statement("5.0", "MQTT-3.6.2-1", "MQTT-2.2.1-5")
def test_an_unexpected_pubrec_is_released_with_its_code_or_is_an_error(join):
    client = join(5)
    client.send(wire.ack(5, PUBREC, 77))
    got = client.receive()
    if got.kind == PUBREL:
        assert (got.packet_id, got.reason) == (77, 0x92)
    else:
        assert got.reason in (0x82,) and client.receive() is None


@statement("5.0", "MQTT-4.3.2-3", "MQTT-4.3.3-3")
@statement("3.1.1", "MQTT-4.3.2-1", "MQTT-4.3.3-1")
@all_versions
@pytest.mark.parametrize("kind", [PUBACK, PUBCOMP])
def test_an_acknowledgement_of_nothing_frees_nothing(join, name, version, kind):
    """It may be ignored or end the connection; if ignored, the message with another identifier is still in flight."""
    fields = {"clean": False, "props": [(wire.SESSION_EXPIRY, 100)] if version == 5 else []}
    client, publisher = join(version, name, **fields), join(version)
    client.subscribe(f"{name}/t", qos=1)
    publisher.publish(f"{name}/t", b"m", qos=1)
    sent = client.expect(PUBLISH, qos=1)
    client.send(wire.ack(version, kind, sent.packet_id % 65535 + 1))
    client.drop()
    join(version, name, **fields).take(packet_id=sent.packet_id, dup=True)


FORMS = [
    case("short", lambda kind, packet_id: wire.ack(5, kind, packet_id)),
    case("with-code", lambda kind, packet_id: wire.ack(5, kind, packet_id, 0)),
    case("with-empty-properties", lambda kind, packet_id: wire.ack(5, kind, packet_id, 0, [])),
    case("with-properties", lambda kind, packet_id: wire.ack(
        5, kind, packet_id, 0, [(wire.REASON_STRING, "fine"), (wire.USER_PROPERTY, ("a", "b")), (wire.USER_PROPERTY, ("a", "b"))])),
]


@statement("5.0", "MQTT-4.3.3-4", "MQTT-4.3.2-3")
@pytest.mark.parametrize("form", FORMS)
def test_all_forms_of_acknowledgements_are_understood(join, name, form):
    """With a window of one message the next one comes only after the acknowledgement was understood."""
    client, publisher = join(5, props=[(wire.RECEIVE_MAXIMUM, 1)]), join(5)
    client.subscribe(name, qos=2)
    for qos in (1, 2, 1):
        publisher.publish(name, bytes([qos]), qos=qos)
    for qos in (1, 2, 1):
        got = client.expect(PUBLISH, payload=bytes([qos]))
        if qos == 2:
            client.send(form(PUBREC, got.packet_id))
            client.expect(PUBREL, packet_id=got.packet_id)
        del client.in_flight[got.packet_id]
        client.send(form(PUBACK if qos == 1 else PUBCOMP, got.packet_id))
    client.barrier()


@statement("5.0", "MQTT-4.3.3-11")
@pytest.mark.parametrize("form", FORMS)
def test_all_forms_of_pubrel_are_understood(join, name, form):
    client = join(5)
    client.send(wire.publish(5, name, b"m", 2, 9))
    client.expect(PUBREC, packet_id=9)
    data = form(PUBREL, 9)
    client.send(data)
    client.expect(PUBCOMP, packet_id=9, reason=0)


@statement("5.0", "MQTT-4.4.0-2", "MQTT-3.4.2-1", "MQTT-3.5.2-1")
@pytest.mark.parametrize("qos,kind", [(1, PUBACK), (2, PUBREC)])
@pytest.mark.parametrize("code", [0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99])
def test_an_error_code_ends_the_exchange(join, name, qos, kind, code):
    """Nothing follows, the window is free, and nothing is sent again to the next connection."""
    fields = {"clean": False, "props": [(wire.SESSION_EXPIRY, 100), (wire.RECEIVE_MAXIMUM, 1)]}
    client, publisher = join(5, name, **fields), join(5)
    client.subscribe(f"{name}/t", qos=2)
    publisher.publish(f"{name}/t", b"refused", qos=qos)
    client.finish(kind, client.expect(PUBLISH, payload=b"refused").packet_id, code)
    publisher.publish(f"{name}/t", b"next", qos=qos)
    client.take(payload=b"next")
    client.barrier()
    client.drop()
    again = join(5, name, **fields)
    assert again.connack.session_present
    again.barrier()


BAD = [
    case("puback-id-0", lambda v: wire.ack(v, PUBACK, 0)), case("pubrec-id-0", lambda v: wire.ack(v, PUBREC, 0)),
    case("pubrel-id-0", lambda v: wire.ack(v, PUBREL, 0)), case("pubcomp-id-0", lambda v: wire.ack(v, PUBCOMP, 0)),
    case("puback-empty", lambda v: b"\x40\x00"), case("pubrec-one-byte", lambda v: b"\x50\x01\x00"),
    case("pubrel-empty", lambda v: b"\x62\x00"), case("pubcomp-one-byte", lambda v: b"\x70\x01\x01"),
]


@statement("3.1.1", "MQTT-4.8.0-1")
@statement("5.0", "MQTT-4.13.1-1")
@versions(4, 5)
@pytest.mark.parametrize("build", BAD)
def test_malformed_acknowledgements_close(join, version, build):
    client = join(version)
    client.send(build(version))
    client.expect_closed(0x81, 0x82)


@statement("3.1.1", "MQTT-4.8.0-1")
@versions(4)
@pytest.mark.parametrize("kind", [PUBACK, PUBREC, PUBREL, PUBCOMP])
def test_acknowledgements_of_3_1_1_have_two_bytes(join, version, kind):
    client = join(version)
    client.send(wire.packet(kind, 2 if kind == PUBREL else 0, b"\0\1\0"))
    client.expect_closed()


BAD_5 = [
    case("puback-code", wire.ack(5, PUBACK, 1, 0x92), v5=["3.4.2-1"]),
    case("pubrec-code", wire.ack(5, PUBREC, 1, 0x92), v5=["3.5.2-1"]),
    case("pubrel-code", wire.ack(5, PUBREL, 1, 0x80), v5=["3.6.2-1"]),
    case("pubcomp-code", wire.ack(5, PUBCOMP, 1, 0x80), v5=["3.7.2-1"]),
    case("reason-string-twice", wire.ack(5, PUBACK, 1, 0, [(wire.REASON_STRING, "a")] * 2)),
    case("strange-property", wire.ack(5, PUBREC, 1, 0, [(wire.TOPIC_ALIAS, 1)])),
    case("properties-too-long", wire.packet(PUBACK, 0, b"\0\1\0\5")),
    case("bytes-after-the-properties", wire.packet(PUBACK, 0, b"\0\1\0\0\0")),
]


@statement("5.0", "MQTT-4.13.1-1")
@versions(5)
@pytest.mark.parametrize("data", BAD_5)
def test_malformed_acknowledgements_of_5_close(join, version, data):
    client = join(version)
    client.send(data)
    client.expect_closed(0x81, 0x82)


@statement("5.0", "MQTT-3.4.2-2", "MQTT-3.4.2-3", "MQTT-3.5.2-2", "MQTT-3.5.2-3", "MQTT-3.6.2-2", "MQTT-3.6.2-3",
           "MQTT-3.7.2-2", "MQTT-3.7.2-3", "MQTT-3.11.2-1", "MQTT-3.11.2-2", "MQTT-3.1.2-24")
def test_answers_fit_the_maximum_packet_size(join, name):
    """Each answer is provoked in the form that invites an explanation. The test's client refuses one that is too large; the
    limit is as small as CONNACK allows."""
    limit = join(5).connack.size
    client = join(5, name, props=[(wire.MAXIMUM_PACKET_SIZE, limit)])
    long_name = name + "/" + "x" * 200
    for qos, kind in ((1, PUBACK), (2, PUBREC)):
        client.send(wire.publish(5, f"$SYS/{long_name}", b"m", qos, 7))
        client.expect(kind, packet_id=7)
    client.send(wire.ack(5, PUBREL, 8))
    client.expect(PUBCOMP, packet_id=8, reason=0x92)
    client.send(wire.unsubscribe(5, 9, [long_name]))
    client.expect(wire.UNSUBACK, packet_id=9, codes=[0x11])
    client.send(wire.ack(5, PUBREC, 8))
    assert client.receive().kind in (PUBREL, wire.DISCONNECT)


@statement("5.0", "MQTT-3.9.2-1", "MQTT-3.9.2-2", "MQTT-3.1.2-24")
def test_a_failed_suback_fits_the_maximum_packet_size(broker_with, dial, name):
    broker = broker_with(limits__max_subscriptions_per_session=1)
    limit = dial(5, broker).handshake(name).connack.size
    client = dial(5, broker).handshake(name, props=[(wire.MAXIMUM_PACKET_SIZE, limit)])
    client.send(wire.subscribe(5, 9, [(f"{name}/a", 0), (f"{name}/b", 0)]))
    client.expect(wire.SUBACK, packet_id=9, codes=[0, 0x97])


@statement("5.0", "MQTT-3.1.2-29")
@pytest.mark.parametrize("limit", [[], [(wire.MAXIMUM_PACKET_SIZE, 200)]], ids=["any-size", "200-bytes"])
def test_no_explanations_when_they_are_not_wanted(join, name, limit):
    client = join(5, name, props=[(wire.REQUEST_PROBLEM, 0), *limit])
    for qos, kind in ((1, PUBACK), (2, PUBREC)):
        client.send(wire.publish(5, f"$SYS/{name}", b"m", qos, 7))
        assert client.expect(kind, packet_id=7).props == []
    client.send(wire.ack(5, PUBREL, 8))
    assert client.expect(PUBCOMP, packet_id=8).props == []
    client.send(wire.unsubscribe(5, 10, [name]))
    assert client.expect(wire.UNSUBACK, packet_id=10).props == []
    client.send(wire.subscribe(5, 9, [(f"{name}/#", 0), ("$share/g", 0)]))
    got = client.receive()
    assert got.kind == wire.DISCONNECT or got.props == []
