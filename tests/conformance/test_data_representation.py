"""Strings, string pairs and variable byte integers on the wire; header flags."""

import pytest

import mqtt_wire as wire
from mqtt_wire import CONNACK, PINGRESP, PUBLISH, SUBACK
from statements import all_versions, case, statement, versions

ILL_FORMED = {
    "surrogate": b"\xed\xa0\x80", "last-surrogate": b"\xed\xbf\xbf", "overlong": b"\xc0\xaf", "overlong-3": b"\xe0\x80\xaf",
    "truncated": b"\xe2\x82", "continuation": b"a\x80", "above-10ffff": b"\xf4\x90\x80\x80", "byte-ff": b"\xff",
}
WITH_NUL = {"nul": b"a\0b", "only-nul": b"\0", "overlong-nul": b"a\xc0\x80b"}
BAD = [case(name, text, v311=["1.5.3-1"], v5=["1.5.4-1"]) for name, text in ILL_FORMED.items()]
BAD_TOPICS = BAD + [case(name, text, v311=["1.5.3-2", "4.7.3-2"], v5=["1.5.4-2", "4.7.3-2"]) for name, text in WITH_NUL.items()]
BAD += [case(name, text, v311=["1.5.3-2"], v5=["1.5.4-2"]) for name, text in WITH_NUL.items()]

CONNECT_FIELDS = [
    case("client-id", wire.connect, v311=["3.1.3-4"], v5=["3.1.3-4"]),
    case("will-topic", lambda version, text: wire.connect(version, "c", will=wire.will(text, b"m")),
         v311=["3.1.3-10"], v5=["3.1.3-11"]),
    case("user-name", lambda version, text: wire.connect(version, "c", user=text, password="p"),
         v311=["3.1.3-11"], v5=["3.1.3-12"]),
]
FIELDS = [
    case("topic-name", lambda version, text: wire.publish(version, text, b"m"), v311=["3.3.2-1"], v5=["3.3.2-1"]),
    case("filter", lambda version, text: wire.subscribe(version, 1, [(text, 0)]), v311=["3.8.3-1"], v5=["3.8.3-1"]),
    case("unsubscribed-filter", lambda version, text: wire.unsubscribe(version, 1, [text]),
         v311=["3.10.3-1"], v5=["3.10.3-1"]),
]
PROPERTY_FIELDS = [
    case("response-topic", lambda text: wire.publish(5, "t", props=[(wire.RESPONSE_TOPIC, text)]), v5=["3.3.2-13"]),
    case("content-type", lambda text: wire.publish(5, "t", props=[(wire.CONTENT_TYPE, text)]), v5=["3.3.2-19"]),
    case("user-property-name", lambda text: wire.publish(5, "t", props=[(wire.USER_PROPERTY, (text, "v"))]), v5=["1.5.7-1"]),
    case("user-property-value", lambda text: wire.publish(5, "t", props=[(wire.USER_PROPERTY, ("n", text))]), v5=["1.5.7-1"]),
    case("reason-string", lambda text: wire.disconnect(5, 0x04, [(wire.REASON_STRING, text)]), v5=["4.13.1-1"]),
]
CONNECT_PROPERTY_FIELDS = [
    case("auth-method", lambda text: wire.connect(5, "c", props=[(wire.AUTH_METHOD, text)]), v5=["3.1.4-1"]),
    case("user-property-name", lambda text: wire.connect(5, "c", props=[(wire.USER_PROPERTY, (text, "v"))]), v5=["1.5.7-1"]),
    case("will-content-type", lambda text: wire.connect(5, "c", will=wire.will("t", props=[(wire.CONTENT_TYPE, text)])),
         v5=["3.1.4-1"]),
]


@statement("3.1.1", "MQTT-3.1.4-1")
@statement("5.0", "MQTT-3.1.4-1")
@versions(4, 5)
@pytest.mark.parametrize("build", CONNECT_FIELDS)
@pytest.mark.parametrize("text", BAD)
def test_connect_with_a_bad_string_is_refused(dial, version, build, text):
    client = dial(version)
    client.send(build(version, text))
    client.expect_refused(*((0x81, 0x82, 0x85, None) if version == 5 else ()))


@versions(4, 5)
@pytest.mark.parametrize("build", FIELDS)
@pytest.mark.parametrize("text", BAD_TOPICS)
def test_a_bad_topic_string_closes(join, version, build, text):
    client = join(version)
    client.send(build(version, text))
    client.expect_closed(0x81)


@versions(5)
@pytest.mark.parametrize("build", PROPERTY_FIELDS)
@pytest.mark.parametrize("text", BAD)
def test_a_bad_string_in_a_property_closes(join, version, build, text):
    client = join(version)
    client.send(build(text))
    client.expect_closed(0x81)


@versions(5)
@pytest.mark.parametrize("build", CONNECT_PROPERTY_FIELDS)
@pytest.mark.parametrize("text", BAD)
def test_a_bad_string_in_a_property_of_connect_is_refused(dial, version, build, text):
    client = dial(version)
    client.send(build(text))
    client.expect_refused(0x81, None)


@statement("3.1.1", "MQTT-1.5.3-3", "MQTT-4.7.3-4")
@statement("5.0", "MQTT-1.5.4-3", "MQTT-4.7.3-4")
@all_versions
def test_bom_is_a_character_like_any_other(join, name, version):
    subscriber, publisher = join(version), join(version)
    marked = f"\ufeff{name}\ufeff/x"
    subscriber.subscribe(marked)
    publisher.publish(f"{name}/x", b"without")
    publisher.publish(marked, b"with")
    subscriber.expect(PUBLISH, topic=marked, payload=b"with")


@statement("5.0", "MQTT-1.5.4-3")
def test_bom_in_properties_is_kept(join, name):
    subscriber, publisher = join(5), join(5)
    subscriber.subscribe(name)
    props = [(wire.CONTENT_TYPE, "\ufefftext"), (wire.USER_PROPERTY, ("\ufeffn", "v\ufeff"))]
    publisher.publish(name, b"m", props=props)
    assert sorted(subscriber.expect(PUBLISH).props) == sorted(props)


@statement("3.1.1", "MQTT-1.5.3-1")
@statement("5.0", "MQTT-1.5.4-1")
@all_versions
def test_every_length_of_utf8_sequence_is_accepted(join, name, version):
    subscriber, publisher = join(version), join(version)
    topic = f"{name}/a\u00a1\u07ff\u0800\ud7a3\ue000\U00010000\U0010fffd"
    subscriber.subscribe(topic)
    publisher.publish(topic, b"m")
    subscriber.expect(PUBLISH, topic=topic)


# --- variable byte integers ----------------------------------------------------------------------------------------------


@statement("3.1.1", "MQTT-4.8.0-1")
@versions(3, 4)
def test_remaining_length_of_five_bytes_closes(join, version):
    client = join(version)
    client.send(b"\x30\xff\xff\xff\xff\x01")
    client.expect_closed()


@statement("5.0", "MQTT-1.5.5-1", "MQTT-4.13.1-1")
@pytest.mark.parametrize("data", [
    pytest.param(b"\x30\xff\xff\xff\xff\x01", id="remaining-length-of-five-bytes"),
    pytest.param(b"\xc0\x80\x00", id="remaining-length-overlong"),
    pytest.param(wire.packet(PUBLISH, 0, wire.binary("t") + wire.varint(0, padded_to=2)), id="property-length-overlong"),
    pytest.param(wire.packet(PUBLISH, 0, wire.binary("t") + b"\xff\xff\xff\xff\x01"), id="property-length-of-five-bytes"),
    pytest.param(wire.packet(8, 2, b"\x00\x01" + wire.properties(b"\x0b\x81\x00") + wire.binary("t") + b"\0"),
                 id="subscription-identifier-overlong"),
    pytest.param(wire.packet(8, 2, b"\x00\x01" + wire.properties(b"\x0b\xff\xff\xff\xff\x01") + wire.binary("t") + b"\0"),
                 id="subscription-identifier-of-five-bytes"),
    pytest.param(wire.packet(PUBLISH, 0, wire.binary("t") + wire.properties(b"\x81\x00\x01")), id="property-identifier-overlong"),
])
def test_bad_variable_byte_integer_closes(join, data):
    client = join(5)
    client.send(data)
    client.expect_closed(0x81)


@statement("5.0", "MQTT-1.5.5-1")
@pytest.mark.parametrize("payload_size", [0, 100, 127, 128, 16383, 16384, 2097151, 2097152])
def test_sizes_around_each_length_of_remaining_length(join, name, payload_size):
    """The decoder of the test refuses a remaining length that is longer than needed."""
    subscriber, publisher = join(5), join(4)
    subscriber.subscribe(name)
    payload = bytes(range(256)) * (payload_size // 256 + 1)
    publisher.publish(name, payload[:payload_size])
    assert subscriber.expect(PUBLISH, topic=name).payload == payload[:payload_size]


@statement("5.0", "MQTT-2.2.2-1")
@versions(5)
def test_no_properties_is_a_length_of_zero(join, name, version):
    subscriber, publisher = join(version), join(4)
    subscriber.subscribe(name)
    publisher.publish(name, b"m")
    first, body = subscriber.read_packet()
    assert (first, body) == (0x30, wire.binary(name) + b"\0" + b"m")


# --- header flags --------------------------------------------------------------------------------------------------------

RESERVED = {
    "puback": (4, 0), "pubrec": (5, 0), "pubrel": (6, 2), "pubcomp": (7, 0), "subscribe": (8, 2), "unsubscribe": (10, 2),
    "pingreq": (12, 0), "disconnect": (14, 0),
}
BODIES = {8: lambda v: wire.u16(1) + (b"\0" if v == 5 else b"") + wire.binary("t") + b"\0",
          10: lambda v: wire.u16(1) + (b"\0" if v == 5 else b"") + wire.binary("t"), 12: lambda v: b"", 14: lambda v: b""}
OWN_STATEMENT = {6: ["3.6.1-1"], 8: ["3.8.1-1"], 10: ["3.10.1-1"], 14: ["3.14.1-1"]}
WRONG_FLAGS = [case(f"{name}-{flags:04b}", kind, flags, v311=OWN_STATEMENT.get(kind, ()), v5=OWN_STATEMENT.get(kind, ()))
               for name, (kind, right) in RESERVED.items() for flags in range(16) if flags != right]


@statement("3.1.1", "MQTT-2.2.2-1", "MQTT-2.2.2-2")
@statement("5.0", "MQTT-2.1.3-1", "MQTT-4.13.1-1")
@versions(4, 5)
@pytest.mark.parametrize("kind,flags", WRONG_FLAGS)
def test_wrong_header_flags_close(join, version, kind, flags):
    client = join(version)
    client.send(wire.packet(kind, flags, BODIES.get(kind, lambda v: wire.u16(1))(version)))
    client.expect_closed(0x81)


@statement("5.0", "MQTT-3.15.1-1")
@pytest.mark.parametrize("flags", range(1, 16))
def test_wrong_flags_of_auth_close(join, flags):
    client = join(5)
    client.send(wire.auth(0x19, flags=flags))
    client.expect_closed(0x81, 0x82)


@statement("3.1.1", "MQTT-2.2.2-2", "MQTT-3.1.4-1")
@statement("5.0", "MQTT-2.1.3-1", "MQTT-3.1.4-1")
@versions(4, 5)
@pytest.mark.parametrize("flags", range(1, 16))
def test_wrong_flags_of_connect_are_refused(dial, name, version, flags):
    client = dial(version)
    data = wire.connect(version, name)
    client.send(bytes([data[0] | flags]) + data[1:])
    client.expect_refused(*((0x81, None) if version == 5 else ()))


# --- the stream ----------------------------------------------------------------------------------------------------------


@statement("3.1.1", "MQTT-7.1.1-1", "MQTT-7.0.0-2")
@statement("5.0", "MQTT-4.2.0-1")
@all_versions
def test_packets_may_arrive_in_any_pieces(dial, name, version):
    client = dial(version)
    stream = (wire.connect(version, name) + wire.subscribe(version, 1, [(name, 0)])
              + wire.publish(version, name, b"m" * 200) + wire.pingreq())
    for at in range(len(stream)):
        client.send(stream[at:at + 1])
    client.expect(CONNACK, reason=0)
    got = {packet.kind: packet for packet in (client.receive() for _ in range(3))}
    assert set(got) == {SUBACK, PUBLISH, PINGRESP} and got[PUBLISH].payload == b"m" * 200


@statement("3.1.1", "MQTT-7.1.1-1", "MQTT-3.2.0-1")
@statement("5.0", "MQTT-4.2.0-1", "MQTT-3.2.0-1")
@all_versions
def test_many_packets_may_arrive_in_one_piece(dial, name, version):
    client = dial(version)
    messages = b"".join(wire.publish(version, name, bytes([index])) for index in range(100))
    client.send(wire.connect(version, name) + wire.subscribe(version, 1, [(name, 0)]) + messages + wire.pingreq())
    client.expect(CONNACK, reason=0)
    got = [client.receive() for _ in range(102)]
    assert [packet.payload[0] for packet in got if packet.kind == PUBLISH] == list(range(100))
    assert sorted(packet.kind for packet in got if packet.kind != PUBLISH) == [SUBACK, PINGRESP]
