"""What a durable session, its queue and its windows are after the broker has gone and come back."""

import time

import pytest

import mqtt_wire as wire
from hostile import SECONDS, collect
from mqtt_wire import PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL
from persistence import LASTING, all_versions, both
from support.broker import wait_until


def present(client):
    """Session Present; 3.1 has no such thing."""
    return client.connack.session_present or client.version == 3


def payloads(messages):
    return [message.payload for message in messages]


def numbered(numbers):
    return [b"%d" % number for number in numbers]


# --- sessions and subscriptions -------------------------------------------------------------------------------------------


@both
@all_versions
def test_a_session_and_its_subscriptions_stay(node, how, version):
    client = node.join("c", version)
    client.subscribe(("a/+", 1), ("b/#", 2), ("gone", 1))
    client.unsubscribe("gone")
    node.again(how)
    client = node.join("c", version)
    assert present(client)
    publisher = node.guest()
    for topic, qos in (("gone", 1), ("a/1", 2), ("b", 2)):
        publisher.publish(topic, topic.encode(), qos)
    assert [(got.topic, got.qos) for got in collect(client, 2)] == [("a/1", 1), ("b", 2)]
    client.barrier()


@both
def test_subscription_options_stay(node, how):
    client = node.join("c")
    client.subscribe("own", qos=1, no_local=True, props=[(wire.SUBSCRIPTION_ID, 77)])
    client.subscribe("kept", qos=1, retain_as_published=True, props=[(wire.SUBSCRIPTION_ID, 268435455)])
    node.again(how)
    client, publisher = node.join("c"), node.guest()
    client.publish("own", b"mine", qos=1)
    publisher.publish("own", b"theirs", qos=1)
    publisher.publish("kept", b"retained", qos=1, retain=True)
    got = client.take(payload=b"theirs", retain=False)
    assert wire.values_of(got, wire.SUBSCRIPTION_ID) == [77]
    got = client.take(payload=b"retained", retain=True)
    assert wire.values_of(got, wire.SUBSCRIPTION_ID) == [268435455]


@both
def test_a_session_that_was_to_end_does_not_come_back(node, how):
    """Without expiry, expired by DISCONNECT, replaced by a clean start."""
    node.join("transient", props=[]).subscribe("t", qos=1)
    ended = node.join("ended")
    ended.subscribe("t", qos=1)
    ended.disconnect(0, [(wire.SESSION_EXPIRY, 0)])
    node.clients.remove(ended)
    node.join("replaced").subscribe("t", qos=1)
    replaced = node.join("replaced", clean=True)
    node.guest().publish("t", b"m", qos=1)
    replaced.barrier()
    node.again(how)
    for name in ("transient", "ended"):
        assert not node.join(name).connack.session_present, name
    replaced = node.join("replaced")
    assert replaced.connack.session_present  # the new one
    replaced.barrier()


@both
def test_sessions_stay_when_the_number_of_shards_changes(node, how):
    for number in range(20):
        node.join(f"c{number}").subscribe(f"t/{number}", qos=1)
    node.close_clients()
    for shards in (1, 4, 3):
        publisher = node.guest()
        for number in range(20):
            publisher.publish(f"t/{number}", str(shards).encode(), qos=1)
        node.again(how, shards=shards)
    for number in range(20):
        client = node.join(f"c{number}")
        assert client.connack.session_present
        for shards in (1, 4, 3):
            client.take(topic=f"t/{number}", payload=str(shards).encode())


@both
def test_the_time_without_a_broker_counts_for_the_session_expiry(node, how):
    node.join("short", props=[(wire.SESSION_EXPIRY, 1)]).disconnect()
    node.join("long", props=[(wire.SESSION_EXPIRY, 1000)]).disconnect()
    over = time.monotonic() + 1.1
    node.end(how)
    wait_until(lambda: time.monotonic() > over, 5, "the expiry interval is over")
    node.start()
    assert not node.join("short").connack.session_present
    assert node.join("long").connack.session_present


@both
def test_a_session_expires_after_a_restart(node, how):
    """Its client was connected when the broker ended."""
    node.join("c", props=[(wire.SESSION_EXPIRY, 1)]).subscribe("t", qos=1)
    node.again(how)
    deadline = time.monotonic() + SECONDS
    since = time.monotonic()
    while True:
        assert time.monotonic() < deadline, "the session does not expire"
        wait_until(lambda: time.monotonic() > since + 1.2, 5, "the expiry interval is over")
        client = node.join("c", props=[(wire.SESSION_EXPIRY, 1)])
        if not client.connack.session_present:
            break
        client.disconnect()
        since = time.monotonic()


@both
def test_shared_subscriptions_of_durable_sessions_stay(node, how):
    for name in ("one", "two"):
        node.join(name).subscribe("$share/g/t", name, qos=1)
    node.again(how)
    publisher = node.guest()
    for number in range(10):
        publisher.publish("t", b"%d" % number, qos=1)
    for name in ("one", "two"):
        publisher.publish(name, b"end", qos=1)
    node.again(how)
    came = []
    for name in ("one", "two"):
        client = node.join(name)
        while (got := client.take()).topic == "t":
            came.append(int(got.payload))
        assert got.payload == b"end"
    assert sorted(came) == list(range(10))


# --- queues ---------------------------------------------------------------------------------------------------------------


@both
@all_versions
def test_waiting_messages_come_in_order(node, how, version):
    node.join("c", version).subscribe(("t/#", 2))
    node.close_clients()
    publisher = node.guest()
    for number in range(50):
        publisher.publish(f"t/{number % 3}", str(number).encode(), qos=1 + number % 2)
    node.again(how)
    node.again(how)
    client = node.join("c", version)
    came = collect(client, 50)
    assert [(got.payload, got.qos, got.topic, got.dup) for got in came] == [
        (b"%d" % number, 1 + number % 2, f"t/{number % 3}", False) for number in range(50)]
    client.barrier()
    node.settle()
    node.again(how)
    node.join("c", version).barrier()


@both
def test_the_properties_of_a_waiting_message_stay(node, how):
    properties = [(wire.PAYLOAD_FORMAT, 1), (wire.CONTENT_TYPE, "text/plain"), (wire.RESPONSE_TOPIC, "answer"),
                  (wire.CORRELATION_DATA, b"\x00\x01\xff"), (wire.USER_PROPERTY, ("k", "1")), (wire.USER_PROPERTY, ("k", "2"))]
    node.join("c").subscribe("t", qos=2)
    node.close_clients()
    node.guest().publish("t", b"payload", qos=2, props=[*properties, (wire.MESSAGE_EXPIRY, 1000)])
    node.again(how)
    got = node.join("c").take(payload=b"payload")
    assert [item for item in got.props if item[0] != wire.MESSAGE_EXPIRY] == properties
    assert 0 < wire.value_of(got, wire.MESSAGE_EXPIRY) <= 1000


@both
def test_a_waiting_message_expires_while_the_broker_is_down(node, how):
    node.join("c").subscribe("t", qos=1)
    node.close_clients()
    publisher = node.guest()
    publisher.publish("t", b"short", qos=1, props=[(wire.MESSAGE_EXPIRY, 1)])
    publisher.publish("t", b"long", qos=1, props=[(wire.MESSAGE_EXPIRY, 1000)])
    over = time.monotonic() + 1.1
    node.end(how)
    wait_until(lambda: time.monotonic() > over, 5, "the message has expired")
    client = node.start().join("c")
    client.take(payload=b"long")
    client.barrier()


@both
def test_many_waiting_messages_come_page_by_page(node, how):
    node.again(how, settings={"limits.queue_page_messages": 10, "limits.max_queued_messages": 100000})
    node.join("c").subscribe("t", qos=1)
    node.close_clients()
    publisher = node.guest()
    for begin in range(0, 2000, 500):
        publisher.send(*(wire.publish(5, "t", b"%d" % number, 1, number + 1) for number in range(begin, begin + 500)))
        for number in range(begin, begin + 500):
            publisher.expect(PUBACK, packet_id=number + 1)
    node.again(how)
    client = node.join("c", props=[*LASTING, (wire.RECEIVE_MAXIMUM, 50)])
    assert payloads(collect(client, 1000)) == numbered(range(1000))
    node.guest().publish("t", b"2000", qos=1)
    node.again(how)
    client = node.join("c")
    first = int(client.take().payload)
    assert first <= 1000  # what was acknowledged last may not have been read
    assert payloads(collect(client, 2000 - first)) == numbered(range(first + 1, 2001))
    client.barrier()


@both
@pytest.mark.parametrize("drop, kept", [("newest", range(5)), ("oldest", range(5, 10))])
def test_a_full_queue_drops(node, how, drop, kept):
    node.again(how, settings={"limits.max_queued_messages": 5, "limits.queue_drop": drop})
    node.join("c").subscribe("t", qos=1)
    node.close_clients()
    publisher = node.guest()
    for number in range(10):
        publisher.publish("t", b"%d" % number, qos=1)
        if number == 6:
            publisher = node.again(how).guest()
    node.again(how)
    client = node.join("c")
    assert payloads(collect(client, 5)) == numbered(kept)
    client.barrier()


# --- windows --------------------------------------------------------------------------------------------------------------


@both
@all_versions
def test_messages_under_way_keep_their_packet_identifiers(node, how, version):
    client = node.join("c", version)
    client.subscribe(("t", 2))
    publisher = node.guest()
    for number in range(6):
        publisher.publish("t", b"%d" % number, qos=1 + number % 2)
    sent = [client.expect(PUBLISH, payload=b"%d" % number, dup=False) for number in range(6)]
    client.finish(PUBACK, sent[0].packet_id)
    client.send(wire.ack(version, PUBREC, sent[1].packet_id))
    client.expect(PUBREL, packet_id=sent[1].packet_id)
    node.again(how)
    client = node.join("c", version)
    client.expect(PUBREL, packet_id=sent[1].packet_id)
    client.finish(PUBCOMP, sent[1].packet_id)
    assert [(got.payload, got.packet_id, got.qos, got.dup) for got in collect(client, 4)] == [
        (before.payload, before.packet_id, before.qos, True) for before in sent[2:]]
    publisher = node.guest()
    publisher.publish("t", b"next", qos=1)
    client.take(payload=b"next", dup=False)
    client.barrier()


@both
def test_the_receive_maximum_holds_after_a_restart(node, how):
    node.join("c").subscribe("t", qos=2)
    node.close_clients()
    publisher = node.guest()
    for number in range(10):
        publisher.publish("t", b"%d" % number, qos=1 + number % 2)
    for _ in range(2):
        node.again(how)
        client = node.join("c", props=[*LASTING, (wire.RECEIVE_MAXIMUM, 2)])
        for number in range(2):
            client.expect(PUBLISH, payload=b"%d" % number)
        client.barrier()
    node.again(how)
    client = node.join("c", props=[*LASTING, (wire.RECEIVE_MAXIMUM, 2)])
    assert payloads(collect(client, 10)) == numbered(range(10))
    client.barrier()


@both
@all_versions
def test_a_qos_2_publish_that_is_repeated_after_a_restart_is_not_delivered_again(node, how, version):
    node.join("c", version).subscribe(("t", 2))
    publisher = node.join("p", version)
    publisher.send(wire.publish(version, "t", b"one", 2, 9))
    publisher.expect(PUBREC, packet_id=9)
    node.again(how)
    publisher = node.join("p", version)
    assert present(publisher)
    publisher.send(wire.publish(version, "t", b"one", 2, 9, dup=True))
    publisher.expect(PUBREC, packet_id=9)
    publisher.send(wire.ack(version, PUBREL, 9))
    publisher.expect(PUBCOMP, packet_id=9)
    node.again(how)
    publisher = node.join("p", version)
    publisher.send(wire.publish(version, "t", b"two", 2, 9))  # the identifier was free
    publisher.expect(PUBREC, packet_id=9)
    client = node.join("c", version)
    assert payloads(collect(client, 2)) == [b"one", b"two"]
    client.barrier()


@both
def test_pubrel_after_a_restart_is_answered(node, how):
    publisher = node.join("p")
    for packet_id in (1, 2):
        publisher.send(wire.publish(5, "t", b"m", 2, packet_id))
        publisher.expect(PUBREC, packet_id=packet_id)
    node.again(how)
    publisher = node.join("p")
    for packet_id, reason in ((1, 0), (2, 0), (3, 0x92)):
        publisher.send(wire.ack(5, PUBREL, packet_id))
        publisher.expect(PUBCOMP, packet_id=packet_id, reason=reason)
