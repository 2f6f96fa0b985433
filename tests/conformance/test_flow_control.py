"""Receive maximum and maximum packet size, in both directions; topic aliases towards the client; message expiry."""

import pytest

import mqtt_wire as wire
from mqtt_client import let_seconds_expire
from mqtt_wire import PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL
from statements import statement


def lasting(*props):
    return {"clean": False, "props": [(wire.SESSION_EXPIRY, 100), *props]}


# --- receive maximum of the client ----------------------------------------------------------------------------------------


@statement("5.0", "MQTT-3.3.4-9", "MQTT-3.3.4-10", "MQTT-4.9.0-1", "MQTT-4.9.0-2", "MQTT-4.9.0-3")
@pytest.mark.parametrize("window", [1, 2, 10])
@pytest.mark.parametrize("qos", [1, 2])
def test_the_window_of_the_client_is_kept(join, name, window, qos):
    """It is filled and not exceeded; everything else is answered meanwhile; each acknowledgement lets one message through."""
    client, publisher = join(5, props=[(wire.RECEIVE_MAXIMUM, window)]), join(5)
    client.subscribe(name, qos=qos)
    for index in range(window + 5):
        publisher.publish(name, bytes([index]), qos=qos)
    held = [client.expect(PUBLISH, payload=bytes([index])) for index in range(window)]
    client.barrier()
    client.subscribe(f"{name}/other")
    client.unsubscribe(f"{name}/other")
    client.publish(f"{name}/away", b"m", qos=2)
    client.barrier()
    for index in range(5):
        message = held.pop(0)
        if qos == 2:
            client.send(wire.ack(5, PUBREC, message.packet_id))
            client.expect(PUBREL, packet_id=message.packet_id)
            client.barrier()
        client.finish(PUBACK if qos == 1 else PUBCOMP, message.packet_id)
        held.append(client.expect(PUBLISH, payload=bytes([window + index])))
        client.barrier()


@statement("5.0", "MQTT-3.3.4-9", "MQTT-4.9.0-2")
def test_qos_0_is_not_counted(join, name):
    client, publisher = join(5, props=[(wire.RECEIVE_MAXIMUM, 1)]), join(5)
    client.subscribe(f"{name}/1", f"{name}/0", qos=1)
    publisher.publish(f"{name}/1", b"m", qos=1)
    client.expect(PUBLISH, topic=f"{name}/1")
    for index in range(10):
        publisher.publish(f"{name}/0", bytes([index]))
    assert [client.expect(PUBLISH).payload for _ in range(10)] == [bytes([index]) for index in range(10)]


@statement("5.0", "MQTT-3.3.4-9", "MQTT-4.9.0-1", "MQTT-4.4.0-1")
def test_the_window_holds_on_the_next_connection_too(join, name):
    """Three in flight with a window of three; the next connection has a window of one."""
    client, publisher = join(5, name, **lasting((wire.RECEIVE_MAXIMUM, 3))), join(5)
    client.subscribe(f"{name}/t", qos=1)
    for index in range(5):
        publisher.publish(f"{name}/t", bytes([index]), qos=1)
    for index in range(3):
        client.expect(PUBLISH, payload=bytes([index]))
    client.drop()
    client = join(5, name, **lasting((wire.RECEIVE_MAXIMUM, 1)))
    for index in range(5):
        message = client.expect(PUBLISH, payload=bytes([index]), dup=index < 3)
        client.barrier()
        client.finish(PUBACK, message.packet_id)
    client.barrier()


@statement("5.0", "MQTT-4.9.0-2")
def test_an_error_in_pubrec_opens_the_window(join, name):
    client, publisher = join(5, props=[(wire.RECEIVE_MAXIMUM, 1)]), join(5)
    client.subscribe(name, qos=2)
    for payload in (b"one", b"two"):
        publisher.publish(name, payload, qos=2)
    client.finish(PUBREC, client.expect(PUBLISH, payload=b"one").packet_id, 0x80)
    client.expect(PUBLISH, payload=b"two")


# --- receive maximum of the server ----------------------------------------------------------------------------------------


@statement("5.0", "MQTT-3.3.4-7", "MQTT-4.13.1-1")
def test_more_than_the_servers_window_closes(broker_with, dial, name):
    """QoS 2 stays open until PUBREL, so the client decides how many there are."""
    broker = broker_with(limits__receive_maximum=3)
    client = dial(5, broker).handshake(name)
    assert wire.value_of(client.connack, wire.RECEIVE_MAXIMUM) == 3
    for packet_id in (1, 2, 3):
        client.send(wire.publish(5, f"{name}/t", b"m", 2, packet_id))
        client.expect(PUBREC, packet_id=packet_id)
    client.send(wire.publish(5, f"{name}/t", b"m", 2, 4))
    client.expect_closed(0x93)


@statement("5.0", "MQTT-4.9.0-3", "MQTT-3.3.4-1")
def test_the_servers_whole_window_is_served(broker_with, dial, name):
    """Again and again; and at the limit everything else is still answered."""
    client = dial(5, broker_with(limits__receive_maximum=3)).handshake(name)
    for _ in range(3):
        for packet_id in (1, 2, 3):
            client.send(wire.publish(5, f"{name}/t", b"m", 2, packet_id))
            client.expect(PUBREC, packet_id=packet_id)
        client.barrier()
        client.publish(f"{name}/t", b"m", qos=0)
        client.send(wire.publish(5, f"{name}/t", b"m", 2, 1, dup=True))
        client.expect(PUBREC, packet_id=1)
        for packet_id in (1, 2, 3):
            client.send(wire.ack(5, PUBREL, packet_id))
            client.expect(PUBCOMP, packet_id=packet_id, reason=0)


@statement("5.0", "MQTT-4.13.1-1")
@pytest.mark.parametrize("props", [[(wire.RECEIVE_MAXIMUM, 0)], [(wire.MAXIMUM_PACKET_SIZE, 0)]], ids=["window", "size"])
def test_a_limit_of_0_is_refused(dial, name, props):
    client = dial(5)
    client.send(wire.connect(5, name, props=props))
    client.expect_refused(0x81, 0x82, None)


# --- maximum packet size --------------------------------------------------------------------------------------------------


@statement("5.0", "MQTT-3.1.2-24", "MQTT-3.1.2-25")
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_too_large_a_message_is_dropped_as_if_it_was_sent(join, name, qos):
    """The exact size still comes, one byte more does not; the window is not blocked, and it does not come later either."""
    fixed = len(wire.publish(5, f"{name}/t", b"", qos, 1))
    limit = 100
    fields = lasting((wire.MAXIMUM_PACKET_SIZE, limit), (wire.RECEIVE_MAXIMUM, 1))
    client, publisher = join(5, name, **fields), join(5)
    client.subscribe(f"{name}/t", qos=2)
    for size in (limit - fixed + 1, limit - fixed, limit - fixed + 1, 5000, 3):
        publisher.publish(f"{name}/t", b"x" * size, qos=qos)
    assert client.take().size == limit
    client.take(payload=b"xxx")
    client.barrier()
    client.drop()
    join(5, name, **fields).barrier()


@statement("5.0", "MQTT-3.1.2-24", "MQTT-3.1.2-25")
def test_too_large_a_message_is_dropped_from_the_queue_too(join, name):
    """It waited for a client that could take it; the connection that comes cannot."""
    client, publisher = join(5, name, **lasting()), join(5)
    client.subscribe(f"{name}/t", qos=1)
    client.disconnect()
    publisher.publish(f"{name}/t", b"x" * 5000, qos=1)
    publisher.publish(f"{name}/t", b"small", qos=1)
    client = join(5, name, **lasting((wire.MAXIMUM_PACKET_SIZE, 100)))
    client.take(payload=b"small")
    client.barrier()


@statement("5.0", "MQTT-3.1.2-24", "MQTT-3.1.2-25")
def test_too_large_a_retained_message_is_not_sent(join, name):
    publisher, client = join(5), join(5, props=[(wire.MAXIMUM_PACKET_SIZE, 100)])
    publisher.publish(f"{name}/large", b"x" * 5000, qos=1, retain=True)
    publisher.publish(f"{name}/small", b"x", qos=1, retain=True)
    assert set(client.retained(f"{name}/+", qos=1)) == {f"{name}/small"}


@statement("5.0", "MQTT-3.1.2-25")
def test_others_get_what_is_too_large_for_one(join, name):
    small, large, publisher = join(5, props=[(wire.MAXIMUM_PACKET_SIZE, 100)]), join(5), join(5)
    small.subscribe(name)
    large.subscribe(name)
    publisher.publish(name, b"x" * 5000)
    large.expect(PUBLISH, payload=b"x" * 5000)
    small.fence(publisher)


@statement("5.0", "MQTT-3.2.2-15", "MQTT-4.13.1-1")
def test_more_than_the_servers_packet_size_closes(broker_with, dial, name):
    broker = broker_with(limits__max_packet_size=1000)
    client = dial(5, broker).handshake(name)
    assert wire.value_of(client.connack, wire.MAXIMUM_PACKET_SIZE) == 1000
    fixed = len(wire.publish(5, name, b"x" * 800)) - 800
    client.subscribe(name)
    client.publish(name, b"x" * (1000 - fixed))
    client.expect(PUBLISH, payload=b"x" * (1000 - fixed))
    client.send(wire.publish(5, name, b"x" * (1001 - fixed)))
    client.expect_closed(0x95)


@statement("5.0", "MQTT-3.2.2-15")
@pytest.mark.parametrize("header", [b"\x30\xff\xff\xff\x7f", b"\x82\xff\xff\xff\x7f"], ids=["publish", "subscribe"])
def test_a_huge_packet_is_refused_by_its_length_alone(join, header):
    client = join(5)
    client.send(header)
    client.expect_closed(0x95)


# --- topic aliases of the client ------------------------------------------------------------------------------------------


@statement("5.0", "MQTT-3.1.2-26", "MQTT-3.1.2-27", "MQTT-3.3.2-8", "MQTT-3.3.2-11")
@pytest.mark.parametrize("maximum", [None, 0, 1, 5])
def test_aliases_stay_within_the_clients_maximum(join, name, maximum):
    """The test's client refuses an alias of 0, above its maximum, or not set, and puts back the topic."""
    props = [] if maximum is None else [(wire.TOPIC_ALIAS_MAXIMUM, maximum)]
    client, publisher = join(5, props=props), join(5)
    client.subscribe(f"{name}/#")
    topics = [f"{name}/{index % 12}" for index in range(60)]
    for topic in topics:
        publisher.publish(topic, b"m")
    got = [client.expect(PUBLISH) for _ in topics]
    assert [message.topic for message in got] == topics
    if not maximum:
        assert all(wire.value_of(message, wire.TOPIC_ALIAS) is None for message in got)


@statement("5.0", "MQTT-3.3.2-7", "MQTT-3.3.2-11")
def test_the_servers_aliases_end_with_their_connection(join, name):
    """The first message of the next connection has its topic: the test's client knows no alias then."""
    fields = lasting((wire.TOPIC_ALIAS_MAXIMUM, 10))
    publisher = join(5)
    for round_ in range(2):
        client = join(5, name, **fields)
        if not round_:
            client.subscribe(f"{name}/t", qos=1)
        for _ in range(3):
            publisher.publish(f"{name}/t", b"m", qos=1)
            client.take(topic=f"{name}/t")
        client.drop()


# --- message expiry -------------------------------------------------------------------------------------------------------


@statement("5.0", "MQTT-3.3.2-5", "MQTT-3.3.2-6")
def test_a_waiting_message_expires_or_has_less_to_live(join, name):
    client, publisher = join(5, name, **lasting()), join(5)
    client.subscribe(f"{name}/t", qos=1)
    client.disconnect()
    publisher.publish(f"{name}/t", b"short", qos=1, props=[(wire.MESSAGE_EXPIRY, 1)])
    publisher.publish(f"{name}/t", b"long", qos=1, props=[(wire.MESSAGE_EXPIRY, 100)])
    publisher.publish(f"{name}/t", b"forever", qos=1)
    let_seconds_expire(join, name, 1)
    client = join(5, name, **lasting())
    assert 50 < wire.value_of(client.take(payload=b"long"), wire.MESSAGE_EXPIRY) < 100
    assert wire.value_of(client.take(payload=b"forever"), wire.MESSAGE_EXPIRY) is None
    client.barrier()


@statement("5.0", "MQTT-3.3.2-5")
def test_a_message_behind_a_full_window_expires(join, name):
    client, publisher = join(5, props=[(wire.RECEIVE_MAXIMUM, 1)]), join(5)
    client.subscribe(name, qos=1)
    publisher.publish(name, b"first", qos=1)
    message = client.expect(PUBLISH, payload=b"first")
    publisher.publish(name, b"short", qos=1, props=[(wire.MESSAGE_EXPIRY, 1)])
    let_seconds_expire(join, name, 1)
    client.finish(PUBACK, message.packet_id)
    publisher.publish(name, b"last", qos=1)
    client.take(payload=b"last")


@statement("5.0", "MQTT-3.3.2-6")
def test_a_message_that_did_not_wait_keeps_its_expiry(join, name):
    client, publisher = join(5), join(5)
    client.subscribe(name)
    publisher.publish(name, b"m", props=[(wire.MESSAGE_EXPIRY, 3600)])
    assert 3590 <= wire.value_of(client.expect(PUBLISH), wire.MESSAGE_EXPIRY) <= 3600


@statement("5.0", "MQTT-4.3.3-13")
def test_an_incoming_exchange_goes_on_after_its_message_expired(join, name):
    publisher = join(5)
    publisher.send(wire.publish(5, name, b"m", 2, 3, props=[(wire.MESSAGE_EXPIRY, 1)]))
    publisher.expect(PUBREC, packet_id=3)
    let_seconds_expire(join, name, 1)
    publisher.send(wire.ack(5, PUBREL, 3))
    publisher.expect(PUBCOMP, packet_id=3, reason=0)
