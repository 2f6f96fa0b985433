"""QoS 0, 1 and 2 as sender and as receiver; what is sent again on the next connection, and what never is."""

import pytest

import mqtt_wire as wire
from mqtt_client import let_seconds_expire
from mqtt_wire import PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL
from statements import all_versions, statement, versions


def lasting(version):
    return {"clean": False, "props": [(wire.SESSION_EXPIRY, 100)] if version == 5 else []}


# --- the server receives --------------------------------------------------------------------------------------------------


@statement("3.1.1", "MQTT-4.3.1-1", "MQTT-3.3.1-2")
@statement("5.0", "MQTT-4.3.1-1", "MQTT-3.3.1-2")
@all_versions
def test_qos_0_goes_out_with_dup_0(join, name, version):
    subscriber, publisher = join(version), join(version)
    subscriber.subscribe(name, qos=2)
    publisher.publish(name, b"m", qos=0)
    subscriber.expect(PUBLISH, qos=0, dup=False, packet_id=0)
    subscriber.barrier()


@statement("3.1.1", "MQTT-4.3.2-2", "MQTT-3.3.1-3")
@statement("5.0", "MQTT-4.3.2-4", "MQTT-4.3.2-5", "MQTT-3.3.1-3")
@all_versions
def test_after_puback_the_identifier_means_a_new_message(join, name, version):
    """Whatever DUP says; and DUP is not passed on."""
    subscriber, publisher = join(version), join(version)
    subscriber.subscribe(name, qos=1)
    for index, dup in enumerate((False, True, False)):
        publisher.send(wire.publish(version, name, bytes([index]), 1, 11, dup=dup))
        publisher.expect(PUBACK, packet_id=11)
        subscriber.take(payload=bytes([index]), qos=1, dup=False)


@statement("3.1.1", "MQTT-4.3.3-2", "MQTT-3.3.1-3")
@statement("5.0", "MQTT-4.3.3-8", "MQTT-4.3.3-10", "MQTT-4.3.3-12", "MQTT-3.3.1-3")
@all_versions
@pytest.mark.parametrize("dup", [True, False])
def test_before_pubrel_the_identifier_means_the_same_message(join, name, version, dup):
    """It is delivered once however often it comes; after PUBCOMP the same identifier is a new message."""
    subscriber, publisher = join(version), join(version)
    subscriber.subscribe(name, qos=2)
    for payload in (b"first", b"second"):
        publisher.send(wire.publish(version, name, payload, 2, 11))
        publisher.expect(PUBREC, packet_id=11)
        for _ in range(3):
            publisher.send(wire.publish(version, name, payload, 2, 11, dup=dup))
            publisher.expect(PUBREC, packet_id=11)
        publisher.send(wire.ack(version, PUBREL, 11))
        publisher.expect(PUBCOMP, packet_id=11, reason=0)
        subscriber.take(payload=payload, qos=2, dup=False)
        subscriber.fence(publisher)


@statement("3.1.1", "MQTT-4.3.3-2", "MQTT-4.1.0-1", "MQTT-3.1.2-4")
@statement("5.0", "MQTT-4.3.3-10", "MQTT-3.1.2-5", "MQTT-3.1.2-23")
@all_versions
def test_a_qos_2_message_is_known_on_the_next_connection(join, name, version):
    """PUBLISH and PUBREC happened before the connection broke: the PUBLISH that is sent again is not delivered again."""
    subscriber = join(version)
    subscriber.subscribe(f"{name}/t", qos=2)
    publisher = join(version, name, **lasting(version))
    publisher.send(wire.publish(version, f"{name}/t", b"m", 2, 11))
    publisher.expect(PUBREC, packet_id=11)
    publisher.drop()
    subscriber.take(payload=b"m")
    publisher = join(version, name, **lasting(version))
    publisher.send(wire.publish(version, f"{name}/t", b"m", 2, 11, dup=True))
    assert publisher.expect(PUBREC, packet_id=11).reason < 0x80
    publisher.send(wire.ack(version, PUBREL, 11))
    publisher.expect(PUBCOMP, packet_id=11, reason=0)
    subscriber.fence(publisher)


@statement("3.1.1", "MQTT-4.3.3-2", "MQTT-4.1.0-1")
@statement("5.0", "MQTT-4.3.3-11", "MQTT-3.1.2-23")
@all_versions
def test_pubrel_is_completed_on_the_next_connection(join, name, version):
    publisher = join(version, name, **lasting(version))
    publisher.send(wire.publish(version, f"{name}/t", b"m", 2, 11))
    publisher.expect(PUBREC, packet_id=11)
    publisher.drop()
    publisher = join(version, name, **lasting(version))
    for reason in (0, 0x92 if version == 5 else 0):
        publisher.send(wire.ack(version, PUBREL, 11))
        publisher.expect(PUBCOMP, packet_id=11, reason=reason)


@statement("3.1.1", "MQTT-3.1.2-6")
@statement("5.0", "MQTT-3.1.2-4")
@all_versions
def test_a_clean_start_forgets_received_identifiers(join, name, version):
    subscriber = join(version)
    subscriber.subscribe(f"{name}/t", qos=2)
    publisher = join(version, name, **lasting(version))
    publisher.send(wire.publish(version, f"{name}/t", b"old", 2, 11))
    publisher.expect(PUBREC, packet_id=11)
    publisher.drop()
    publisher = join(version, name, clean=True)
    publisher.send(wire.publish(version, f"{name}/t", b"new", 2, 11))
    publisher.expect(PUBREC, packet_id=11)
    subscriber.expect(PUBLISH, payload=b"old")
    subscriber.expect(PUBLISH, payload=b"new")


# --- the server sends -----------------------------------------------------------------------------------------------------


@statement("3.1.1", "MQTT-4.3.2-1", "MQTT-4.3.3-1", "MQTT-2.3.1-4", "MQTT-2.3.1-1")
@statement("5.0", "MQTT-4.3.2-1", "MQTT-4.3.2-2", "MQTT-4.3.3-1", "MQTT-4.3.3-2", "MQTT-2.2.1-4")
@all_versions
def test_messages_in_flight_have_identifiers_of_their_own(join, name, version):
    """Twenty of each QoS at once, none acknowledged. The test's client refuses 0 and one that is in use."""
    subscriber, publisher = join(version), join(version)
    subscriber.subscribe(name, qos=2)
    for index in range(40):
        publisher.publish(name, bytes([index]), qos=1 + index % 2)
    for _ in range(40):
        subscriber.expect(PUBLISH, dup=False)
    assert len(subscriber.in_flight) == 40
    subscriber.barrier()


@statement("3.1.1", "MQTT-2.3.1-4", "MQTT-4.3.2-1")
@statement("5.0", "MQTT-2.2.1-4", "MQTT-4.3.2-1")
@versions(4, 5)
def test_identifiers_wrap_around(join, name, version):
    """After 65,535 messages they begin again, without 0 and without the ones that are in use: two stay so meanwhile."""
    subscriber, publisher = join(version), join(version)
    subscriber.subscribe(name, f"{name}/held", qos=1)
    batch = 500
    for start in range(0, 67000, batch):
        if start in (2000, 64000):
            publisher.publish(f"{name}/held", b"", qos=1)
            subscriber.expect(PUBLISH, topic=f"{name}/held")
        if start == 62000:
            subscriber.finish(PUBACK, min(subscriber.in_flight))
        publisher.send(b"".join(wire.publish(version, name, b"", 1, 1 + index) for index in range(batch)))
        for _ in range(batch):
            subscriber.finish(PUBACK, subscriber.expect(PUBLISH, topic=name).packet_id)
        for index in range(batch):
            publisher.expect(PUBACK, packet_id=1 + index)
    assert len(subscriber.in_flight) == 1


@statement("3.1.1", "MQTT-4.3.3-1", "MQTT-2.3.1-6")
@statement("5.0", "MQTT-4.3.3-4", "MQTT-4.3.3-6", "MQTT-3.6.2-1", "MQTT-2.2.1-5")
@all_versions
def test_pubrec_is_answered_with_pubrel(join, name, version):
    """Also a second time; and the message itself does not come again."""
    subscriber, publisher = join(version), join(version)
    subscriber.subscribe(name, qos=2)
    publisher.publish(name, b"m", qos=2)
    message = subscriber.expect(PUBLISH, qos=2, dup=False)
    for _ in range(2):
        subscriber.send(wire.ack(version, PUBREC, message.packet_id))
        subscriber.expect(PUBREL, packet_id=message.packet_id)
    subscriber.finish(PUBCOMP, message.packet_id)
    subscriber.fence(publisher)


@statement("3.1.1", "MQTT-4.4.0-1", "MQTT-3.3.1-1", "MQTT-4.3.2-1", "MQTT-4.3.3-1", "MQTT-4.6.0-1", "MQTT-4.1.0-1")
@statement("5.0", "MQTT-4.4.0-1", "MQTT-3.3.1-1", "MQTT-4.3.2-3", "MQTT-4.3.3-3", "MQTT-3.1.2-23")
@all_versions
def test_unacknowledged_messages_are_sent_again_in_order(join, name, version):
    """With their identifiers and DUP 1, to each new connection until they are acknowledged."""
    client, publisher = join(version, name, **lasting(version)), join(version)
    client.subscribe(f"{name}/t", qos=2)
    for index in range(10):
        publisher.publish(f"{name}/t", bytes([index]), qos=1 + index % 2)
    first = [client.expect(PUBLISH, dup=False) for _ in range(10)]
    for _ in range(2):
        client.drop()
        client = join(version, name, **lasting(version))
        again = [client.expect(PUBLISH, dup=True) for _ in range(10)]
        assert [(m.payload, m.packet_id, m.qos) for m in again] == [(m.payload, m.packet_id, m.qos) for m in first]
    for message in again:
        client.acknowledge(message)
    client.barrier()
    client.drop()
    join(version, name, **lasting(version)).barrier()


@statement("3.1.1", "MQTT-4.4.0-1", "MQTT-4.3.3-1")
@statement("5.0", "MQTT-4.4.0-1", "MQTT-4.3.3-5", "MQTT-4.3.3-6")
@all_versions
def test_an_uncompleted_release_is_sent_again(join, name, version):
    """PUBREL with its identifier to each new connection until PUBCOMP; PUBLISH never again."""
    client, publisher = join(version, name, **lasting(version)), join(version)
    client.subscribe(f"{name}/t", qos=2)
    publisher.publish(f"{name}/t", b"m", qos=2)
    message = client.expect(PUBLISH, qos=2)
    client.send(wire.ack(version, PUBREC, message.packet_id))
    client.expect(PUBREL, packet_id=message.packet_id)
    for _ in range(2):
        client.drop()
        client = join(version, name, **lasting(version))
        client.expect(PUBREL, packet_id=message.packet_id)
    client.finish(PUBCOMP, message.packet_id)
    client.barrier()
    client.drop()
    join(version, name, **lasting(version)).barrier()


@statement("3.1.1", "MQTT-4.4.0-1", "MQTT-4.6.0-1")
@statement("5.0", "MQTT-4.4.0-1")
@all_versions
def test_what_was_in_flight_comes_before_what_waited(join, name, version):
    client, publisher = join(version, name, **lasting(version)), join(version)
    client.subscribe(f"{name}/t", qos=1)
    publisher.publish(f"{name}/t", b"sent", qos=1)
    client.expect(PUBLISH, payload=b"sent")
    client.drop()
    publisher.publish(f"{name}/t", b"waited", qos=1)
    client = join(version, name, **lasting(version))
    client.take(payload=b"sent", dup=True)
    client.take(payload=b"waited", dup=False)


@statement("5.0", "MQTT-4.4.0-1")
@statement("3.1.1", "MQTT-4.4.0-1")
@all_versions
def test_a_clean_start_sends_nothing_again(join, name, version):
    client, publisher = join(version, name, **lasting(version)), join(version)
    client.subscribe(f"{name}/t", qos=2)
    publisher.publish(f"{name}/t", b"m", qos=2)
    client.expect(PUBLISH)
    client.drop()
    join(version, name, clean=True).barrier()


@statement("5.0", "MQTT-4.3.3-13", "MQTT-4.3.3-7", "MQTT-4.4.0-1")
def test_a_message_that_was_sent_does_not_expire(join, name):
    """Its expiry passes while it is in flight: it is sent again to the next connection, and the exchange runs to its end."""
    client, publisher = join(5, name, **lasting(5)), join(5)
    client.subscribe(f"{name}/t", qos=2)
    publisher.publish(f"{name}/t", b"m", qos=2, props=[(wire.MESSAGE_EXPIRY, 1)])
    message = client.expect(PUBLISH, qos=2)
    client.drop()
    let_seconds_expire(join, name, 1)
    client = join(5, name, **lasting(5))
    client.take(qos=2, dup=True, packet_id=message.packet_id, payload=b"m")
    client.barrier()
