"""Malformed packets and protocol errors of 5.0 that belong to no other chapter, and that a bad client harms nobody else."""

import pytest

import mqtt_wire as wire
from mqtt_wire import PROPERTY_TYPES, PUBLISH, SERVER_PROPERTIES
from statements import all_versions, case, statement, versions

CONNECT_PROPERTIES = {wire.SESSION_EXPIRY, wire.RECEIVE_MAXIMUM, wire.MAXIMUM_PACKET_SIZE, wire.TOPIC_ALIAS_MAXIMUM,
                      wire.REQUEST_RESPONSE, wire.REQUEST_PROBLEM, wire.USER_PROPERTY, wire.AUTH_METHOD, wire.AUTH_DATA}
WILL_PROPERTIES = {wire.WILL_DELAY, wire.PAYLOAD_FORMAT, wire.MESSAGE_EXPIRY, wire.CONTENT_TYPE, wire.RESPONSE_TOPIC,
                   wire.CORRELATION_DATA, wire.USER_PROPERTY}
SAMPLE = {wire.BYTE: 1, wire.U16: 1, wire.U32: 1, wire.VARINT: 1, wire.TEXT: "x", wire.BINARY: b"x", wire.PAIR: ("x", "y")}


def sample(identifier):
    return identifier, SAMPLE[PROPERTY_TYPES[identifier]]


PLACES = {
    "publish": (SERVER_PROPERTIES[PUBLISH], lambda props: wire.publish(5, "t", b"m", props=props)),
    "subscribe": ({wire.SUBSCRIPTION_ID, wire.USER_PROPERTY}, lambda props: wire.subscribe(5, 1, [("t", 0)], props)),
    "unsubscribe": ({wire.USER_PROPERTY}, lambda props: wire.unsubscribe(5, 1, ["t"], props)),
    "puback": ({wire.REASON_STRING, wire.USER_PROPERTY}, lambda props: wire.ack(5, wire.PUBACK, 1, 0, props)),
    "pubrel": ({wire.REASON_STRING, wire.USER_PROPERTY}, lambda props: wire.ack(5, wire.PUBREL, 1, 0, props)),
    "disconnect": ({wire.SESSION_EXPIRY, wire.REASON_STRING, wire.USER_PROPERTY}, lambda props: wire.disconnect(5, 0, props)),
}
MISPLACED = [case(f"{place}-{identifier:#04x}", build, [sample(identifier)]) for place, (allowed, build) in PLACES.items()
             for identifier in PROPERTY_TYPES if identifier not in allowed]
DUPLICATED = [case(f"{place}-{identifier:#04x}", build, [sample(identifier)] * 2)
              for place, (allowed, build) in PLACES.items() for identifier in sorted(allowed)
              if identifier not in (wire.USER_PROPERTY, wire.SERVER_REFERENCE)]


@statement("5.0", "MQTT-4.13.1-1")
@versions(5)
@pytest.mark.parametrize("build,props", MISPLACED + DUPLICATED)
def test_a_misplaced_or_repeated_property_closes(join, version, build, props):
    client = join(version)
    client.send(build(props))
    client.expect_closed(0x81, 0x82)


IN_CONNECT = [case(f"misplaced-{identifier:#04x}", {"props": [sample(identifier)]}) for identifier in PROPERTY_TYPES
              if identifier not in CONNECT_PROPERTIES]
IN_CONNECT += [case(f"twice-{identifier:#04x}", {"props": [sample(identifier)] * 2})
               for identifier in sorted(CONNECT_PROPERTIES - {wire.USER_PROPERTY, wire.AUTH_DATA})]
IN_CONNECT += [case(f"will-misplaced-{identifier:#04x}", {"will": wire.will("t", props=[sample(identifier)])})
               for identifier in PROPERTY_TYPES if identifier not in WILL_PROPERTIES]
IN_CONNECT += [case(f"will-twice-{identifier:#04x}", {"will": wire.will("t", props=[sample(identifier)] * 2)})
               for identifier in sorted(WILL_PROPERTIES - {wire.USER_PROPERTY})]
IN_CONNECT += [
    case("request-problem-2", {"props": [(wire.REQUEST_PROBLEM, 2)]}),
    case("request-response-2", {"props": [(wire.REQUEST_RESPONSE, 2)]}),
    case("will-payload-format-2", {"will": wire.will("t", props=[(wire.PAYLOAD_FORMAT, 2)])}),
]


@statement("5.0", "MQTT-3.1.4-1", "MQTT-4.13.1-1")
@versions(5)
@pytest.mark.parametrize("fields", IN_CONNECT)
def test_a_bad_property_in_connect_is_refused(dial, name, version, fields):
    client = dial(version)
    client.send(wire.connect(version, name, **fields))
    client.expect_refused(0x81, 0x82, None)


CUT = [
    case("unknown-property", wire.publish(5, "t", props=b"\x00\x01")),
    case("unknown-property-7f", wire.publish(5, "t", props=b"\x7f\x01")),
    case("property-without-value", wire.publish(5, "t", props=b"\x02\x00\x00")),
    case("text-over-the-end", wire.publish(5, "t", props=b"\x03\x00\x09abc")),
    case("pair-with-one-half", wire.publish(5, "t", props=b"\x26\x00\x01a")),
    case("properties-over-the-end", wire.packet(PUBLISH, 0, wire.binary("t") + b"\x20\x01")),
    case("no-property-length", wire.packet(PUBLISH, 0, wire.binary("t"))),
    case("payload-format-2", wire.publish(5, "t", props=[(wire.PAYLOAD_FORMAT, 2)])),
    case("packet-id-cut", wire.packet(PUBLISH, 2, wire.binary("t") + b"\0")),
]


@statement("5.0", "MQTT-4.13.1-1")
@versions(5)
@pytest.mark.parametrize("data", CUT)
def test_a_malformed_publish_of_5_closes(join, version, data):
    client = join(version)
    client.send(data)
    client.expect_closed(0x81, 0x82)


@statement("5.0", "MQTT-3.3.2-4", "MQTT-4.13.1-1")
@pytest.mark.parametrize("payload", [b"\xff", b"\xed\xa0\x80", b"\xe2\x82"], ids=["byte-ff", "surrogate", "cut"])
@pytest.mark.parametrize("qos", [1, 2])
def test_a_payload_that_is_not_the_text_it_says_is_delivered_or_refused(join, name, payload, qos):
    """The server may check. It either passes the message on unaltered or says 0x99."""
    subscriber, publisher = join(5), join(5)
    subscriber.subscribe(name, qos=qos)
    got = publisher.publish(name, payload, qos=qos, props=[(wire.PAYLOAD_FORMAT, 1)], ok=(0x00, 0x10, 0x99))
    if got.reason < 0x80:
        subscriber.take(payload=payload, props=[(wire.PAYLOAD_FORMAT, 1)])
    else:
        subscriber.fence(publisher)


@statement("3.1.1", "MQTT-4.8.0-1")
@statement("5.0", "MQTT-4.13.1-1", "MQTT-4.13.2-1")
@all_versions
def test_a_bad_client_harms_nobody_else(join, name, version):
    subscriber, publisher = join(version), join(version)
    subscriber.subscribe(name, qos=1)
    for garbage in (b"\x36\x00", b"\xff" * 100, b"\x30\xff\xff\xff\xff\xff", bytes(1000), b"\x82\x05\0\1\0\0\0"):
        bad = join(version)
        bad.subscribe(name)
        bad.send(garbage)
        while bad.receive() is not None:
            pass
        publisher.publish(name, b"m", qos=1)
        subscriber.take(payload=b"m")


@statement("3.1.1", "MQTT-4.8.0-1")
@statement("5.0", "MQTT-4.13.1-1")
@all_versions
def test_what_came_before_the_error_is_processed(join, name, version):
    reader, client = join(version), join(version)
    reader.subscribe(name, qos=1)
    client.send(wire.publish(version, name, b"good", 1, 1), b"\x36\x00", wire.publish(version, name, b"late", 1, 2))
    reader.take(payload=b"good")
    reader.fence(join(version))
