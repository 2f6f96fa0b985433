"""PUBLISH: topic names, QoS bits, properties passed on, topic aliases towards the server, overlapping subscriptions."""

import pytest

import mqtt_wire as wire
from mqtt_wire import PUBACK, PUBLISH, PUBREC
from statements import all_versions, case, statement, versions


@statement("3.1.1", "MQTT-3.3.1-4", "MQTT-4.8.0-1")
@statement("5.0", "MQTT-3.3.1-4", "MQTT-4.13.1-1")
@all_versions
@pytest.mark.parametrize("extra", [0, 1, 8, 9], ids=["plain", "retain", "dup", "dup-retain"])
def test_qos_3_closes(join, name, version, extra):
    client = join(version)
    client.send(wire.packet(PUBLISH, 6 | extra, wire.publish(version, name, b"m", 1, 5)[2:]))
    client.expect_closed(0x81)


@statement("3.1.1", "MQTT-3.3.1-2", "MQTT-4.8.0-1")
@statement("5.0", "MQTT-3.3.1-2")
@versions(4, 5)
def test_dup_at_qos_0_closes(join, name, version):
    client = join(version)
    client.send(wire.publish(version, name, b"m", 0, dup=True))
    client.expect_closed(0x81, 0x82)


@statement("3.1.1", "MQTT-2.3.1-1")
@statement("5.0", "MQTT-2.2.1-3")
@all_versions
@pytest.mark.parametrize("qos", [1, 2])
def test_packet_identifier_0_closes(join, name, version, qos):
    client = join(version)
    client.send(wire.publish(version, name, b"m", qos, 0))
    client.expect_closed(0x81, 0x82)


@statement("3.1.1", "MQTT-3.3.2-2", "MQTT-4.7.1-1")
@statement("5.0", "MQTT-3.3.2-2", "MQTT-4.7.0-1")
@all_versions
@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize("topic", ["+", "#", "a/+/b", "a/#", "a+b", "a#"])
def test_a_wildcard_in_a_topic_name_closes(join, version, qos, topic):
    client = join(version)
    client.send(wire.publish(version, topic, b"m", qos, 1))
    client.expect_closed(0x81, 0x82, 0x90)


@statement("3.1.1", "MQTT-4.7.3-1")
@statement("5.0", "MQTT-4.7.3-1")
@all_versions
def test_an_empty_topic_name_closes(join, version):
    client = join(version)
    client.send(wire.publish(version, "", b"m"))
    client.expect_closed(0x81, 0x82, 0x90)


@statement("3.1.1", "MQTT-3.3.2-1")
@statement("5.0", "MQTT-3.3.2-1")
@versions(4, 5)
@pytest.mark.parametrize("body", [b"", b"\0", b"\0\5top"], ids=["nothing", "half-a-length", "cut-topic"])
def test_a_publish_without_a_whole_topic_closes(join, version, body):
    client = join(version)
    client.send(wire.packet(PUBLISH, 0, body))
    client.expect_closed(0x81)


@statement("3.1.1", "MQTT-2.3.1-5")
@statement("5.0", "MQTT-2.2.1-2")
@all_versions
def test_qos_0_has_no_packet_identifier(join, name, version):
    """Sent without one it arrives whole, and it is passed on without one: the payload would be longer otherwise."""
    subscriber, publisher = join(version), join(version)
    subscriber.subscribe(name, qos=2)
    publisher.publish(name, b"\1\2payload")
    subscriber.expect(PUBLISH, qos=0, payload=b"\1\2payload")


@statement("3.1.1", "MQTT-3.3.4-1", "MQTT-2.3.1-6")
@statement("5.0", "MQTT-3.3.4-1", "MQTT-2.2.1-5", "MQTT-3.4.2-1", "MQTT-3.5.2-1")
@all_versions
@pytest.mark.parametrize("packet_id", [1, 255, 256, 65535])
def test_the_answer_depends_on_the_qos(join, name, version, packet_id):
    client = join(version)
    client.send(wire.publish(version, name, b"m", 0))
    client.barrier()
    client.send(wire.publish(version, name, b"m", 1, packet_id))
    assert client.expect(PUBACK, packet_id=packet_id).reason in (0, 0x10)
    client.send(wire.publish(version, name, b"m", 2, packet_id))
    assert client.expect(PUBREC, packet_id=packet_id).reason in (0, 0x10)


@statement("5.0", "MQTT-3.4.2-1", "MQTT-3.5.2-1")
@pytest.mark.parametrize("qos", [1, 2])
def test_no_matching_subscribers_is_said_only_when_true(join, name, qos):
    client, other = join(5), join(5)
    assert client.publish(name, b"m", qos=qos).reason in (0x00, 0x10)
    other.subscribe(name)
    assert client.publish(name, b"m", qos=qos).reason == 0x00


@statement("3.1.1", "MQTT-3.3.5-2")
@versions(3, 4)
@pytest.mark.parametrize("qos", [1, 2])
def test_a_publish_that_is_not_allowed_is_acknowledged_or_closes(join, version, name, qos):
    client = join(version)
    client.send(wire.publish(version, f"$SYS/{name}", b"m", qos, 7))
    got = client.receive()
    if got is not None:
        assert (got.kind, got.packet_id) == (PUBACK if qos == 1 else PUBREC, 7)


@statement("5.0", "MQTT-3.4.2-1", "MQTT-3.5.2-1", "MQTT-4.3.3-9")
def test_a_refused_publish_has_an_error_code_and_frees_its_identifier(join, name):
    """The server's own topics are not for clients."""
    client, reader = join(5), join(5)
    reader.subscribe(f"$SYS/{name}", name)
    for _ in range(2):
        client.send(wire.publish(5, f"$SYS/{name}", b"m", 2, 7))
        assert client.expect(PUBREC, packet_id=7).reason == 0x87
    client.send(wire.publish(5, f"$SYS/{name}", b"m", 1, 7))
    assert client.expect(PUBACK, packet_id=7).reason == 0x87
    client.send(wire.publish(5, name, b"new", 2, 7))
    assert client.expect(PUBREC, packet_id=7).reason == 0
    reader.expect(PUBLISH, topic=name, payload=b"new")


@statement("3.1.1", "MQTT-3.3.2-3", "MQTT-4.5.0-1")
@statement("5.0", "MQTT-3.3.2-3", "MQTT-4.5.0-1")
@all_versions
def test_the_topic_name_is_that_of_the_publisher(join, name, version):
    subscriber, publisher = join(version), join(version)
    subscriber.subscribe(f"{name}/+/#")
    for topic in (f"{name}/a", f"{name}/a/b", f"{name}//c/"):
        publisher.publish(topic, b"m")
        subscriber.expect(PUBLISH, topic=topic)


# --- properties passed on (5.0) -----------------------------------------------------------------------------------------

PASSED_ON = [
    case("payload-format-0", [(wire.PAYLOAD_FORMAT, 0)], v5=["3.3.2-4"]),
    case("payload-format-1", [(wire.PAYLOAD_FORMAT, 1)], v5=["3.3.2-4"]),
    case("response-topic", [(wire.RESPONSE_TOPIC, "answer/\u00e9")], v5=["3.3.2-15"]),
    case("correlation-data", [(wire.CORRELATION_DATA, bytes(range(256)))], v5=["3.3.2-16"]),
    case("empty-correlation-data", [(wire.CORRELATION_DATA, b"")], v5=["3.3.2-16"]),
    case("content-type", [(wire.CONTENT_TYPE, "text/plain; charset=utf-8")], v5=["3.3.2-20"]),
    case("user-properties", [(wire.USER_PROPERTY, pair) for pair in (("b", "2"), ("a", "1"), ("b", "2"), ("", ""), ("b", "1"))],
         v5=["3.3.2-17", "3.3.2-18"]),
    case("long-user-properties", [(wire.USER_PROPERTY, ("k" * 65535, "v" * 65535))] * 2, v5=["3.3.2-17"]),
]


@versions(5)
@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize("props", PASSED_ON)
def test_properties_are_passed_on(join, name, version, qos, props):
    subscriber, publisher = join(version), join(version)
    subscriber.subscribe(name, qos=2)
    publisher.publish(name, b"m", qos=qos, props=props)
    assert subscriber.take(qos=qos, payload=b"m").props == props


@statement("5.0", "MQTT-3.3.2-4", "MQTT-3.3.2-15", "MQTT-3.3.2-16", "MQTT-3.3.2-17", "MQTT-3.3.2-18", "MQTT-3.3.2-20")
def test_properties_are_stored_with_a_retained_message(join, name):
    publisher = join(5)
    props = [(wire.PAYLOAD_FORMAT, 1), (wire.CONTENT_TYPE, "t"), (wire.RESPONSE_TOPIC, "r"), (wire.CORRELATION_DATA, b"c"),
             (wire.USER_PROPERTY, ("b", "1")), (wire.USER_PROPERTY, ("a", "2"))]
    publisher.publish(name, b"m", qos=1, retain=True, props=props)
    subscriber = join(5)
    subscriber.subscribe(name)
    got = subscriber.expect(PUBLISH, retain=True).props
    assert sorted(got, key=str) == sorted(props, key=str)
    assert [value for key, value in got if key == wire.USER_PROPERTY] == [("b", "1"), ("a", "2")]


@statement("3.1.1", "MQTT-4.5.0-1")
@statement("5.0", "MQTT-4.5.0-1")
@pytest.mark.parametrize("publishing", [3, 4, 5])
@pytest.mark.parametrize("subscribing", [3, 4, 5])
def test_messages_pass_between_versions(join, name, publishing, subscribing):
    """A subscriber of 3.x sees no byte of a 5.0 publisher's properties."""
    subscriber, publisher = join(subscribing), join(publishing)
    subscriber.subscribe(name, qos=2)
    props = [(wire.USER_PROPERTY, ("a", "b"))] if publishing == 5 else []
    for qos in (0, 1, 2):
        publisher.publish(name, b"m", qos=qos, props=props)
        assert subscriber.take(qos=qos, payload=b"m").props == (props if subscribing == 5 else [])


@statement("5.0", "MQTT-3.3.4-6")
def test_a_subscription_identifier_from_a_client_closes(join, name):
    client = join(5)
    client.send(wire.publish(5, name, b"m", props=[(wire.SUBSCRIPTION_ID, 1)]))
    client.expect_closed(0x81, 0x82)


# --- topic aliases towards the server (5.0) -------------------------------------------------------------------------------


@statement("5.0", "MQTT-3.3.2-12", "MQTT-3.2.2-17")
def test_every_alias_up_to_the_announced_maximum_is_accepted(join, name):
    subscriber, publisher = join(5), join(5)
    subscriber.subscribe(f"{name}/+")
    maximum = wire.value_of(publisher.connack, wire.TOPIC_ALIAS_MAXIMUM, 0)
    assert maximum > 0
    for alias in {1, maximum // 2 or 1, maximum}:
        publisher.publish(f"{name}/{alias}", b"set", props=[(wire.TOPIC_ALIAS, alias)])
        publisher.publish("", b"used", props=[(wire.TOPIC_ALIAS, alias)])
        subscriber.expect(PUBLISH, topic=f"{name}/{alias}", payload=b"set", props=[])
        subscriber.expect(PUBLISH, topic=f"{name}/{alias}", payload=b"used", props=[])


@statement("5.0", "MQTT-3.3.2-12")
def test_an_alias_can_be_moved_to_another_topic(join, name):
    subscriber, publisher = join(5), join(5)
    subscriber.subscribe(f"{name}/+")
    for topic in (f"{name}/a", f"{name}/b"):
        publisher.publish(topic, b"set", props=[(wire.TOPIC_ALIAS, 1)])
        publisher.publish("", b"used", props=[(wire.TOPIC_ALIAS, 1)])
        subscriber.expect(PUBLISH, topic=topic, payload=b"set")
        subscriber.expect(PUBLISH, topic=topic, payload=b"used")


@statement("5.0", "MQTT-3.3.2-8", "MQTT-3.3.2-9", "MQTT-3.2.2-17", "MQTT-4.13.1-1")
@pytest.mark.parametrize("over", [0, 1, 65535], ids=["zero", "one-too-many", "largest"])
def test_an_alias_out_of_range_closes(join, name, over):
    client = join(5)
    maximum = wire.value_of(client.connack, wire.TOPIC_ALIAS_MAXIMUM, 0)
    alias = {0: 0, 1: maximum + 1}.get(over, over)
    client.send(wire.publish(5, name, b"m", props=[(wire.TOPIC_ALIAS, alias)]))
    client.expect_closed(*((0x94,) if alias else (0x81, 0x82, 0x94)))


@statement("5.0", "MQTT-3.2.2-18")
def test_without_a_maximum_every_alias_closes(broker_with, dial, name):
    client = dial(5, broker_with(limits__topic_alias_maximum=0)).handshake(name)
    assert not wire.value_of(client.connack, wire.TOPIC_ALIAS_MAXIMUM, 0)
    client.send(wire.publish(5, name, b"m", props=[(wire.TOPIC_ALIAS, 1)]))
    client.expect_closed(0x94)


@statement("5.0", "MQTT-3.3.2-12")
def test_an_alias_that_was_never_set_closes(join):
    client = join(5)
    client.send(wire.publish(5, "", b"m", props=[(wire.TOPIC_ALIAS, 1)]))
    client.expect_closed(0x82, 0x94)


@statement("5.0", "MQTT-3.3.2-7")
def test_aliases_end_with_their_connection(join, name):
    expiry = [(wire.SESSION_EXPIRY, 100)]
    first = join(5, name, clean=False, props=expiry)
    first.publish(f"{name}/t", b"m", props=[(wire.TOPIC_ALIAS, 1)])
    first.disconnect()
    second = join(5, name, clean=False, props=expiry)
    assert second.connack.session_present
    second.send(wire.publish(5, "", b"m", props=[(wire.TOPIC_ALIAS, 1)]))
    second.expect_closed(0x82, 0x94)


# --- overlapping subscriptions --------------------------------------------------------------------------------------------


@statement("3.1.1", "MQTT-3.3.5-1")
@statement("5.0", "MQTT-3.3.4-2")
@all_versions
@pytest.mark.parametrize("sent", [0, 1, 2])
def test_overlapping_subscriptions_give_the_highest_qos(join, name, version, sent):
    """One copy, at the highest QoS that was granted, but no higher than it was sent."""
    subscriber, publisher = join(version), join(version)
    subscriber.subscribe((f"{name}/#", 0), (f"{name}/+", 2), (f"{name}/a", 1))
    publisher.publish(f"{name}/a", b"m", qos=sent)
    subscriber.take(qos=sent, payload=b"m")
    subscriber.fence(publisher)


@statement("5.0", "MQTT-3.3.4-3", "MQTT-3.3.4-4")
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_one_copy_carries_all_matching_subscription_identifiers(join, name, qos):
    subscriber, publisher = join(5), join(5)
    subscriber.subscribe(f"{name}/#", qos=2, props=[(wire.SUBSCRIPTION_ID, 1)])
    subscriber.subscribe(f"{name}/+", qos=2, props=[(wire.SUBSCRIPTION_ID, 268435455)])
    subscriber.subscribe(f"{name}/a", qos=2)
    subscriber.subscribe(f"{name}/b", qos=2, props=[(wire.SUBSCRIPTION_ID, 4)])
    publisher.publish(f"{name}/a", b"m", qos=qos)
    assert sorted(wire.values_of(subscriber.take(), wire.SUBSCRIPTION_ID)) == [1, 268435455]
    subscriber.fence(publisher)


@statement("5.0", "MQTT-3.3.4-3")
def test_retained_messages_carry_the_subscription_identifier(join, name):
    publisher, subscriber = join(5), join(5)
    publisher.publish(name, b"m", qos=1, retain=True)
    subscriber.subscribe(name, props=[(wire.SUBSCRIPTION_ID, 9)])
    assert wire.values_of(subscriber.expect(PUBLISH, retain=True), wire.SUBSCRIPTION_ID) == [9]


@statement("5.0", "MQTT-3.3.4-3", "MQTT-3.8.4-3")
def test_a_replaced_subscription_changes_its_identifier(join, name):
    subscriber, publisher = join(5), join(5)
    for number in (3, 4):
        subscriber.subscribe(name, props=[(wire.SUBSCRIPTION_ID, number)])
        publisher.publish(name, b"m")
        assert wire.values_of(subscriber.expect(PUBLISH), wire.SUBSCRIPTION_ID) == [number]
    subscriber.subscribe(name)
    publisher.publish(name, b"m")
    assert wire.values_of(subscriber.expect(PUBLISH), wire.SUBSCRIPTION_ID) == []
