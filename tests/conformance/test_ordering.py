"""Order of messages and of acknowledgements."""

import pytest

import mqtt_wire as wire
from mqtt_wire import PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL
from statements import all_versions, statement

COUNT = 200


def lasting(version):
    return {"clean": False, "props": [(wire.SESSION_EXPIRY, 100)] if version == 5 else []}


def number(index):
    return index.to_bytes(4, "big")


@statement("3.1.1", "MQTT-4.6.0-5", "MQTT-4.6.0-6")
@statement("5.0", "MQTT-4.6.0-5", "MQTT-4.6.0-6")
@all_versions
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_messages_come_in_the_order_they_were_sent(join, name, version, qos):
    subscriber, publisher = join(version), join(version)
    subscriber.subscribe(name, qos=qos)
    stream = [wire.publish(version, name, number(index), qos, index + 1 if qos else 0) for index in range(COUNT)]
    publisher.send(*stream)
    got = []
    while len(got) < COUNT:
        packet = subscriber.receive()
        if packet.kind == PUBLISH:
            got.append(packet.payload)
            if qos == 1:
                subscriber.finish(PUBACK, packet.packet_id)
            elif qos == 2:
                subscriber.send(wire.ack(version, PUBREC, packet.packet_id))
        elif packet.kind == PUBREL:
            subscriber.finish(PUBCOMP, packet.packet_id)
    assert got == [number(index) for index in range(COUNT)]


@statement("3.1.1", "MQTT-4.6.0-6")
@statement("5.0", "MQTT-4.6.0-5")
@all_versions
@pytest.mark.parametrize("qos", [1, 2])
def test_messages_that_waited_come_in_order(join, name, version, qos):
    subscriber, publisher = join(version, name, **lasting(version)), join(version)
    subscriber.subscribe(f"{name}/#", qos=qos)
    subscriber.disconnect()
    for index in range(100):
        publisher.publish(f"{name}/{index % 3}", number(index), qos=qos)
    subscriber = join(version, name, **lasting(version))
    got = [subscriber.expect(PUBLISH).payload for _ in range(100)]
    for level in range(3):
        assert got_on(got, level) == [number(index) for index in range(100) if index % 3 == level]


def got_on(payloads, level):
    return [payload for payload in payloads if int.from_bytes(payload, "big") % 3 == level]


@statement("3.1.1", "MQTT-4.6.0-2", "MQTT-4.6.0-3")
@statement("5.0", "MQTT-4.3.2-4", "MQTT-4.3.3-8")
@all_versions
@pytest.mark.parametrize("qos,kind", [(1, PUBACK), (2, PUBREC)])
def test_acknowledgements_come_in_the_order_of_the_messages(join, name, version, qos, kind):
    """The identifiers are neither rising nor falling."""
    publisher, subscriber = join(version), join(version)
    subscriber.subscribe(f"{name}/1", qos=qos)
    ids = [index * 7919 % 65535 + 1 for index in range(COUNT)]
    publisher.send(*(wire.publish(version, f"{name}/{packet_id % 2}", b"m", qos, packet_id) for packet_id in ids))
    assert [publisher.expect(kind).packet_id for _ in ids] == ids


@statement("3.1.1", "MQTT-4.6.0-4")
@statement("5.0", "MQTT-4.3.3-4")
@all_versions
def test_pubrels_come_in_the_order_of_the_pubrecs(join, name, version):
    """The pubrecs go out of the order of their messages."""
    subscriber, publisher = join(version), join(version)
    subscriber.subscribe(name, qos=2)
    for index in range(20):
        publisher.publish(name, number(index), qos=2)
    ids = [subscriber.expect(PUBLISH).packet_id for _ in range(20)]
    shuffled = ids[::2] + ids[1::2]
    subscriber.send(*(wire.ack(version, PUBREC, packet_id) for packet_id in shuffled))
    assert [subscriber.expect(PUBREL).packet_id for _ in ids] == shuffled


@statement("3.1.1", "MQTT-4.6.0-1", "MQTT-4.6.0-6")
@statement("5.0", "MQTT-4.6.0-5", "MQTT-4.4.0-1")
@all_versions
def test_messages_acknowledged_out_of_order_leave_the_others_in_order(join, name, version):
    subscriber, publisher = join(version, name, **lasting(version)), join(version)
    subscriber.subscribe(f"{name}/t", qos=1)
    for index in range(20):
        publisher.publish(f"{name}/t", number(index), qos=1)
    sent = [subscriber.expect(PUBLISH) for _ in range(20)]
    for message in sent[17:4:-3]:
        subscriber.finish(PUBACK, message.packet_id)
    subscriber.barrier()
    subscriber.drop()
    rest = [message for message in sent if message not in sent[17:4:-3]]
    subscriber = join(version, name, **lasting(version))
    again = [subscriber.expect(PUBLISH, dup=True) for _ in rest]
    assert [(m.payload, m.packet_id) for m in again] == [(m.payload, m.packet_id) for m in rest]
    subscriber.barrier()


@statement("3.1.1", "MQTT-4.6.0-6")
@statement("5.0", "MQTT-4.6.0-5")
@all_versions
def test_order_holds_across_a_takeover(join, name, version):
    """The subscriber is taken over again and again while a stream of messages arrives: nothing is lost or overtaken."""
    publisher, subscriber = join(version), join(version, name, **lasting(version))
    subscriber.subscribe(f"{name}/t", qos=1)
    seen = []
    for round_ in range(5):
        publisher.send(*(wire.publish(version, f"{name}/t", number(round_ * 20 + index), 1, index + 1) for index in range(20)))
        for _ in range(10):
            seen.append(subscriber.take().payload)
        for index in range(20):
            publisher.expect(PUBACK, packet_id=index + 1)
        subscriber = join(version, name, **lasting(version))
    while len(set(seen)) < 100:
        seen.append(subscriber.take().payload)
    assert list(dict.fromkeys(seen)) == [number(index) for index in range(100)]


@statement("3.1.1", "MQTT-4.6.0-6")
@statement("5.0", "MQTT-4.6.0-5")
@all_versions
def test_each_publisher_keeps_its_order(join, name, version):
    subscriber, publishers = join(version), [join(version) for _ in range(4)]
    subscriber.subscribe(f"{name}/#", qos=1)
    for index in range(50):
        for who, publisher in enumerate(publishers):
            publisher.send(wire.publish(version, f"{name}/t", bytes([who]) + number(index), 1, index + 1))
    got = [subscriber.take().payload for _ in range(200)]
    for who in range(4):
        assert [payload[1:] for payload in got if payload[0] == who] == [number(index) for index in range(50)]
