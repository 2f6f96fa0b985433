"""What a session holds, how long it lasts, and what a clean start leaves of it."""

import time

import pytest

import mqtt_wire as wire
from mqtt_client import DEADLINE, let_seconds_expire
from mqtt_wire import PUBACK, PUBLISH
from statements import all_versions, statement, versions


def lasting(version, seconds=100):
    return {"clean": False, "props": [(wire.SESSION_EXPIRY, seconds)] if version == 5 else []}


@statement("3.1.1", "MQTT-3.1.2-4", "MQTT-3.1.2-5", "MQTT-4.1.0-1", "MQTT-4.5.0-1")
@statement("5.0", "MQTT-3.1.2-5", "MQTT-3.1.2-23", "MQTT-4.5.0-1")
@all_versions
@pytest.mark.parametrize("end", ["disconnect", "drop"])
def test_subscriptions_and_messages_wait_for_their_client(join, name, version, end):
    client, publisher = join(version, name, **lasting(version)), join(version)
    client.subscribe((f"{name}/1", 1), (f"{name}/2", 2), (f"{name}/other/#", 1))
    getattr(client, end)()
    publisher.publish(f"{name}/1", b"one", qos=1)
    publisher.publish(f"{name}/2", b"two", qos=2)
    publisher.publish(f"{name}/other/a/b", b"three", qos=2)
    client = join(version, name, **lasting(version))
    got = [client.expect(PUBLISH) for _ in range(3)]
    assert sorted((m.topic, m.payload, m.qos) for m in got) == [
        (f"{name}/1", b"one", 1), (f"{name}/2", b"two", 2), (f"{name}/other/a/b", b"three", 1)]
    for message in got:
        client.acknowledge(message)
    publisher.publish(f"{name}/1", b"live", qos=1)
    client.take(payload=b"live")


@statement("3.1.1", "MQTT-3.1.2-6", "MQTT-3.1.4-3")
@statement("5.0", "MQTT-3.1.2-4", "MQTT-3.1.4-4")
@all_versions
def test_a_clean_start_leaves_nothing_of_the_old_session(join, name, version):
    client, publisher = join(version, name, **lasting(version)), join(version)
    client.subscribe(f"{name}/t", qos=1)
    client.disconnect()
    publisher.publish(f"{name}/t", b"waiting", qos=1)
    client = join(version, name, clean=True)
    assert not client.connack.session_present
    publisher.publish(f"{name}/t", b"live", qos=1)
    client.fence(publisher)


@statement("3.1.1", "MQTT-3.1.2-6")
@statement("5.0", "MQTT-3.1.2-4", "MQTT-4.1.0-2")
@all_versions
def test_a_session_that_was_clean_ends_with_its_connection(join, name, version):
    """The next connection asks for the session: there is none, nor its subscriptions."""
    client, publisher = join(version, name, clean=True), join(version)
    client.subscribe(f"{name}/t", qos=1)
    client.disconnect()
    publisher.publish(f"{name}/t", b"m", qos=1)
    client = join(version, name, **lasting(version))
    assert not client.connack.session_present
    client.fence(publisher)


@statement("3.1.1", "MQTT-3.1.2-6")
@statement("5.0", "MQTT-3.1.2-4")
@all_versions
def test_a_clean_start_drops_the_session_for_good(join, name, version):
    join(version, name, **lasting(version)).disconnect()
    join(version, name, clean=True).disconnect()
    assert not join(version, name, **lasting(version)).connack.session_present


@statement("3.1.1", "MQTT-4.1.0-1", "MQTT-4.1.0-2")
@statement("5.0", "MQTT-4.1.0-1")
@all_versions
def test_state_is_kept_across_many_connections(join, name, version):
    publisher = join(version)
    for round_ in range(5):
        client = join(version, name, **lasting(version))
        assert client.connack.session_present == (round_ > 0 and version > 3)
        client.subscribe(f"{name}/{round_}", qos=1)
        for index in range(round_ + 1):
            publisher.publish(f"{name}/{index}", b"m", qos=1)
            client.take(topic=f"{name}/{index}")
        client.drop()


@statement("5.0", "MQTT-4.1.0-1", "MQTT-3.1.2-23")
def test_a_session_does_not_expire_while_connected(join, name):
    client, publisher = join(5, name, **lasting(5, 1)), join(5)
    client.subscribe(f"{name}/t", qos=1)
    let_seconds_expire(join, name, 2)
    publisher.publish(f"{name}/t", b"m", qos=1)
    client.take(payload=b"m")


@statement("5.0", "MQTT-4.1.0-2", "MQTT-3.1.2-23")
def test_a_session_expires_after_its_interval(join, name):
    """It is gone with its subscription after a second; one with a longer interval is still there."""
    short, long = join(5, name, **lasting(5, 1)), join(5, f"{name}long", **lasting(5, 100))
    short.subscribe(f"{name}/t", qos=1)
    short.disconnect()
    long.disconnect()
    let_seconds_expire(join, name, 1)
    deadline = time.monotonic() + DEADLINE
    while join(5).publish(f"{name}/t", b"m", qos=1).reason != 0x10:
        assert time.monotonic() < deadline, "the subscription outlives its session"
        time.sleep(0.02)
    assert not join(5, name, clean=False).connack.session_present
    assert join(5, f"{name}long", clean=False).connack.session_present


@statement("5.0", "MQTT-4.1.0-2", "MQTT-3.1.2-23")
def test_the_newest_interval_counts(join, name):
    """A session that was to last ends at once when the next connection says 0."""
    join(5, name, **lasting(5)).disconnect()
    second = join(5, name, clean=False)
    assert second.connack.session_present
    second.disconnect()
    assert not join(5, name, clean=False).connack.session_present


@statement("5.0", "MQTT-3.1.2-23")
def test_an_interval_of_ffffffff_lasts(join, name):
    join(5, name, **lasting(5, 0xFFFFFFFF)).disconnect()
    assert join(5, name, clean=False).connack.session_present


@statement("3.1.1", "MQTT-3.1.2-5")
@statement("5.0", "MQTT-4.5.0-1")
@versions(4, 5)
def test_what_waited_comes_once(join, name, version):
    client, publisher = join(version, name, **lasting(version)), join(version)
    client.subscribe(f"{name}/t", qos=1)
    client.disconnect()
    publisher.publish(f"{name}/t", b"m", qos=1)
    client = join(version, name, **lasting(version))
    client.take(payload=b"m", dup=False)
    client.barrier()
    client.disconnect()
    join(version, name, **lasting(version)).barrier()


@statement("3.1.1", "MQTT-4.5.0-1", "MQTT-3.1.2-5")
@statement("5.0", "MQTT-4.5.0-1")
@versions(4, 5)
def test_every_session_that_matches_gets_the_message(join, name, version):
    """Connected and not, with different filters and QoS."""
    publisher = join(version)
    clients = []
    for index in range(6):
        client = join(version, f"{name}x{index}", **lasting(version))
        client.subscribe((f"{name}/t", f"{name}/+", f"{name}/#")[index % 3], qos=1 + index % 2)
        if index >= 3:
            client.disconnect()
        clients.append(client)
    publisher.publish(f"{name}/t", b"m", qos=2)
    clients[3:] = [join(version, f"{name}x{index}", **lasting(version)) for index in range(3, 6)]
    for index, client in enumerate(clients):
        client.take(topic=f"{name}/t", payload=b"m", qos=1 + index % 2)


@statement("5.0", "MQTT-3.1.2-5")
def test_options_of_a_subscription_are_kept_in_the_session(join, name):
    """No local, retain as published and the subscription identifier after a reconnect."""
    client, publisher = join(5, name, **lasting(5)), join(5)
    client.subscribe(f"{name}/t", qos=1, no_local=True, retain_as_published=True, props=[(wire.SUBSCRIPTION_ID, 77)])
    client.disconnect()
    client = join(5, name, **lasting(5))
    client.publish(f"{name}/t", b"mine", qos=1)
    publisher.publish(f"{name}/t", b"theirs", qos=1, retain=True)
    got = client.take(payload=b"theirs", retain=True)
    assert wire.values_of(got, wire.SUBSCRIPTION_ID) == [77]


@statement("3.1.1", "MQTT-3.1.2-5")
@statement("5.0", "MQTT-4.5.0-1")
@all_versions
def test_an_acknowledgement_sent_just_before_the_end_counts(join, name, version):
    client, publisher = join(version, name, **lasting(version)), join(version)
    client.subscribe(f"{name}/t", qos=1)
    publisher.publish(f"{name}/t", b"m", qos=1)
    message = client.expect(PUBLISH)
    client.send(wire.ack(version, PUBACK, message.packet_id), wire.disconnect(version))
    assert client.receive() is None
    join(version, name, **lasting(version)).barrier()
