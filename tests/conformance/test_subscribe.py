"""SUBSCRIBE and SUBACK."""

import pytest

import mqtt_wire as wire
from mqtt_wire import PUBLISH, SUBACK, options
from statements import all_versions, case, statement, versions


@statement("3.1.1", "MQTT-3.8.4-1", "MQTT-3.8.4-2", "MQTT-2.3.1-7")
@statement("5.0", "MQTT-3.8.4-1", "MQTT-3.8.4-2", "MQTT-2.2.1-6")
@all_versions
@pytest.mark.parametrize("packet_id", [1, 255, 256, 65535])
def test_suback_has_the_identifier_of_subscribe(join, name, version, packet_id):
    client = join(version)
    client.send(wire.subscribe(version, packet_id, [(name, 0)]))
    client.expect(SUBACK, packet_id=packet_id, codes=[0])


@statement("3.1.1", "MQTT-3.8.4-4", "MQTT-3.8.4-5", "MQTT-3.9.3-1", "MQTT-3.9.3-2")
@statement("5.0", "MQTT-3.8.4-5", "MQTT-3.8.4-6", "MQTT-3.8.4-7", "MQTT-3.9.3-1", "MQTT-3.9.3-2", "MQTT-3.2.2-10")
@all_versions
def test_one_code_a_filter_in_their_order(join, name, version):
    """Every filter of the packet is subscribed, as the messages show; the codes are the granted QoS."""
    client = join(version)
    asked = [2, 0, 1, 1, 0, 2, 0]
    client.send(wire.subscribe(version, 9, [(f"{name}/{index}", qos) for index, qos in enumerate(asked)]))
    client.expect(SUBACK, packet_id=9, codes=asked)
    publisher = join(version)
    for index, qos in enumerate(asked):
        publisher.publish(f"{name}/{index}", b"m", qos=2)
        client.take(topic=f"{name}/{index}", qos=qos)


@statement("3.1.1", "MQTT-3.8.4-4")
@statement("5.0", "MQTT-3.8.4-5")
@all_versions
def test_the_same_filter_twice_in_one_packet_works_as_two_packets(join, name, version):
    client, publisher = join(version), join(version)
    client.send(wire.subscribe(version, 9, [(name, 2), (name, 0)]))
    client.expect(SUBACK, packet_id=9, codes=[2, 0])
    publisher.publish(name, b"m", qos=2)
    client.take(topic=name, qos=0)
    client.fence(publisher)


@statement("3.1.1", "MQTT-3.8.4-5")
@statement("5.0", "MQTT-3.8.4-5", "MQTT-3.8.4-6")
@versions(4, 5)
def test_five_hundred_filters_in_one_packet(join, name, version):
    client = join(version)
    client.send(wire.subscribe(version, 9, [(f"{name}/{index}", index % 3) for index in range(500)]))
    client.expect(SUBACK, packet_id=9, codes=[index % 3 for index in range(500)])


@statement("3.1.1", "MQTT-3.8.3-2")
@statement("5.0", "MQTT-3.8.4-7")
@all_versions
@pytest.mark.parametrize("filter_", ["{}/+", "{}/#", "+/{}", "{}/+/b", "+/+/{}/#"])
def test_wildcards_are_granted(join, name, version, filter_):
    join(version).subscribe(filter_.format(name), qos=2)


@statement("3.1.1", "MQTT-3.8.4-6")
@statement("5.0", "MQTT-3.8.4-8")
@all_versions
@pytest.mark.parametrize("granted", [0, 1, 2])
@pytest.mark.parametrize("sent", [0, 1, 2])
def test_delivered_at_the_lower_qos(join, name, version, sent, granted):
    client, publisher = join(version), join(version)
    client.subscribe(name, qos=granted)
    publisher.publish(name, b"m", qos=sent)
    client.take(qos=min(sent, granted))


@statement("3.1.1", "MQTT-3.8.4-6")
@statement("5.0", "MQTT-3.8.4-8")
@all_versions
@pytest.mark.parametrize("granted", [0, 1, 2])
@pytest.mark.parametrize("sent", [0, 1, 2])
def test_retained_messages_are_delivered_at_the_lower_qos(join, name, version, sent, granted):
    publisher, client = join(version), join(version)
    publisher.keep(name, b"m", qos=sent)
    client.subscribe(name, qos=granted)
    client.take(qos=min(sent, granted), retain=True)


# --- replacing ------------------------------------------------------------------------------------------------------------


@statement("3.1.1", "MQTT-3.8.4-3")
@statement("5.0", "MQTT-3.8.4-3")
@all_versions
def test_the_same_filter_replaces_the_subscription(join, name, version):
    client, publisher = join(version), join(version)
    client.subscribe(name, qos=2)
    client.subscribe(name, qos=0)
    publisher.publish(name, b"down", qos=2)
    client.take(qos=0, payload=b"down")
    client.subscribe(name, qos=1)
    publisher.publish(name, b"up", qos=2)
    client.take(qos=1, payload=b"up")
    client.unsubscribe(name)
    publisher.publish(name, b"none", qos=2)
    client.fence(publisher)


@statement("3.1.1", "MQTT-3.8.4-3")
@statement("5.0", "MQTT-3.8.4-4", "MQTT-3.3.1-9")
@all_versions
def test_replacing_sends_retained_messages_again(join, name, version):
    client, publisher = join(version), join(version)
    publisher.publish(name, b"kept", qos=1, retain=True)
    for _ in range(3):
        client.subscribe(name, qos=1)
        client.take(payload=b"kept", retain=True)


@statement("3.1.1", "MQTT-3.8.4-3")
@statement("5.0", "MQTT-3.8.4-4")
@all_versions
def test_no_message_is_lost_while_a_subscription_is_replaced(join, name, version):
    """The client replaces its subscription over and over while messages arrive: each comes exactly once."""
    client = join(version)
    client.subscribe(name, qos=1)
    stream = b""
    for index in range(100):
        stream += wire.subscribe(version, 1 + index, [(name, 1)]) + wire.publish(version, name, bytes([index]), 0)
    client.send(stream)
    payloads = []
    for _ in range(200):
        got = client.receive()
        if got.kind == PUBLISH:
            payloads.append(got.payload[0])
    assert payloads == list(range(100))
    client.barrier()


@statement("5.0", "MQTT-3.8.4-3")
def test_replacing_changes_every_option(join, name):
    client = join(5)
    client.subscribe(name, no_local=True, retain_as_published=True)
    client.publish(name, b"mine")
    client.barrier()
    client.subscribe(name, no_local=False, retain_as_published=False)
    client.publish(name, b"mine", retain=True)
    client.expect(PUBLISH, payload=b"mine", retain=False)


# --- no local -------------------------------------------------------------------------------------------------------------


@statement("5.0", "MQTT-3.8.3-3")
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_no_local_keeps_own_messages_away(join, name, qos):
    client, other = join(5), join(5)
    client.subscribe(name, qos=2, no_local=True)
    client.publish(name, b"mine", qos=qos)
    other.publish(name, b"theirs", qos=qos)
    client.take(payload=b"theirs")


@statement("5.0", "MQTT-3.8.3-3")
def test_without_no_local_own_messages_come_back(join, name):
    client = join(5)
    client.subscribe(name)
    client.publish(name, b"mine")
    client.expect(PUBLISH, payload=b"mine")


@statement("5.0", "MQTT-3.8.3-3")
def test_no_local_goes_by_client_id_not_by_connection(join, name):
    """A message that waited in the session while its own publisher was away is still its own."""
    props = [(wire.SESSION_EXPIRY, 100)]
    client = join(5, name, clean=False, props=props)
    client.subscribe(f"{name}/t", qos=1, no_local=True)
    client.publish(f"{name}/t", b"mine", qos=1)
    client.disconnect()
    back = join(5, name, clean=False, props=props)
    back.publish(f"{name}/t", b"mine again", qos=1)
    back.barrier()


@statement("5.0", "MQTT-3.8.3-3", "MQTT-3.3.4-3")
def test_no_local_concerns_its_own_subscription_only(join, name):
    """Another matching subscription of the client still delivers, with its identifier alone."""
    client = join(5)
    client.subscribe(name, no_local=True, props=[(wire.SUBSCRIPTION_ID, 1)])
    client.subscribe(f"{name}/#", props=[(wire.SUBSCRIPTION_ID, 2)])
    client.publish(name, b"mine")
    assert wire.values_of(client.expect(PUBLISH), wire.SUBSCRIPTION_ID) == [2]


# --- malformed ------------------------------------------------------------------------------------------------------------


def raw(version, body):
    return wire.packet(wire.SUBSCRIBE, 2, wire.u16(1) + (b"\0" if version == 5 else b"") + body)


MALFORMED = [
    case("no-filter", lambda v: raw(v, b""), (0x81, 0x82), v311=["3.8.3-3"], v5=["3.8.3-2"]),
    case("empty-body", lambda v: b"\x82\0", (0x81, 0x82), v311=["3.8.3-3"], v5=["3.8.3-2"]),
    case("qos-3", lambda v: raw(v, wire.binary("t") + b"\3"), (0x81, 0x82), v311=["3.8.3-4"], v5=["4.13.1-1"]),
    case("reserved-bit-6", lambda v: raw(v, wire.binary("t") + b"\x40"), (0x81,), v311=["3.8.3-4"], v5=["3.8.3-5"]),
    case("reserved-bit-7", lambda v: raw(v, wire.binary("t") + b"\x80"), (0x81,), v311=["3.8.3-4"], v5=["3.8.3-5"]),
    case("second-filter-bad", lambda v: raw(v, wire.binary("t") + b"\0" + wire.binary("u") + b"\xC1"), (0x81,),
         v311=["3.8.3-4"], v5=["3.8.3-5"]),
    case("packet-id-0", lambda v: wire.subscribe(v, 0, [("t", 0)]), (0x81, 0x82), v311=["2.3.1-1"], v5=["2.2.1-3"]),
    case("no-options", lambda v: raw(v, wire.binary("t")), (0x81,), v311=["3.8.3-3"], v5=["3.8.3-2"]),
    case("cut-filter", lambda v: raw(v, b"\0\5tt"), (0x81,), v311=["4.8.0-1"], v5=["4.13.1-1"]),
]


@statement("3.1.1", "MQTT-4.8.0-1")
@statement("5.0", "MQTT-4.13.1-1")
@versions(4, 5)
@pytest.mark.parametrize("build,reasons", MALFORMED)
def test_malformed_subscribe_closes(join, version, build, reasons):
    client = join(version)
    client.send(build(version))
    client.expect_closed(*reasons)


@statement("3.1.1", "MQTT-3.8.3-4")
@versions(4)
@pytest.mark.parametrize("bits", [0x04, 0x08, 0x10, 0x20])
def test_options_of_5_close_in_3_1_1(join, name, version, bits):
    client = join(version)
    client.send(wire.subscribe(version, 1, [(name, bits)]))
    client.expect_closed()


@statement("5.0", "MQTT-4.13.1-1")
@pytest.mark.parametrize("value", [b"\x0b\x00", b"\x0b\x01\x0b\x02"], ids=["zero", "twice"])
def test_bad_subscription_identifier_closes(join, name, value):
    client = join(5)
    client.send(wire.packet(wire.SUBSCRIBE, 2, wire.u16(1) + wire.properties(value) + wire.binary(name) + b"\0"))
    client.expect_closed(0x81, 0x82)


@statement("5.0", "MQTT-4.13.1-1")
def test_retain_handling_3_closes(join, name):
    client = join(5)
    client.send(wire.subscribe(5, 1, [(name, options(retain_handling=3))]))
    client.expect_closed(0x81, 0x82)


@statement("3.1.1", "MQTT-3.9.3-2", "MQTT-3.8.4-5")
@statement("5.0", "MQTT-3.9.3-2", "MQTT-3.8.4-7")
@versions(4, 5)
def test_a_failed_subscription_is_said_and_the_others_stand(broker_with, dial, name, version):
    """One subscription is allowed: the second filter fails, the first one works."""
    broker = broker_with(limits__max_subscriptions_per_session=1)
    client = dial(version, broker).handshake(name)
    client.send(wire.subscribe(version, 1, [(f"{name}/a", 1), (f"{name}/b", 1)]))
    got = client.expect(SUBACK, packet_id=1)
    assert got.codes == [1, 0x97 if version == 5 else 0x80]
    client.publish(f"{name}/b", b"m")
    client.publish(f"{name}/a", b"m")
    client.expect(PUBLISH, topic=f"{name}/a")
