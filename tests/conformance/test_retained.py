"""Retained messages and the subscription options about them."""

import pytest

import mqtt_wire as wire
from mqtt_client import let_seconds_expire
from mqtt_wire import PUBLISH, options
from statements import all_versions, statement, versions


@statement("3.1.1", "MQTT-3.3.1-5", "MQTT-3.3.1-6", "MQTT-3.3.1-8")
@statement("5.0", "MQTT-3.3.1-5", "MQTT-3.3.1-9")
@all_versions
def test_a_new_subscription_gets_the_retained_message_of_each_topic(join, name, version):
    publisher = join(version)
    topics = [name, f"{name}/a", f"{name}/a/b", f"{name}//"]
    for topic in topics:
        publisher.keep(topic, topic.encode())
    found = join(version).retained(f"{name}/#")
    assert {topic: message.payload for topic, message in found.items()} == {topic: topic.encode() for topic in topics}
    assert set(join(version).retained(f"{name}/+")) == {f"{name}/a"}
    assert set(join(version).retained(name)) == {name}



@statement("3.1.1", "MQTT-3.3.1-5", "MQTT-3.3.1-7")
@statement("5.0", "MQTT-3.3.1-5")
@all_versions
@pytest.mark.parametrize("first", [0, 1, 2])
@pytest.mark.parametrize("second", [0, 1, 2])
def test_the_last_retained_message_counts_with_its_qos(join, name, version, first, second):
    publisher, subscriber = join(version), join(version)
    publisher.keep(name, b"first", qos=first)
    publisher.keep(name, b"second", qos=second)
    message = subscriber.retained(name, qos=2)[name]
    assert (message.payload, message.qos) == (b"second", second)


@statement("3.1.1", "MQTT-3.3.1-9")
@statement("5.0", "MQTT-3.3.1-12")
@all_versions
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_an_established_subscription_sees_retain_0(join, name, version, qos):
    subscriber, publisher = join(version), join(version)
    subscriber.subscribe(name, qos=qos)
    publisher.publish(name, b"m", qos=qos, retain=True)
    subscriber.take(retain=False, payload=b"m")


@statement("3.1.1", "MQTT-3.3.1-10", "MQTT-3.3.1-11")
@statement("5.0", "MQTT-3.3.1-6", "MQTT-3.3.1-7")
@all_versions
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_an_empty_message_is_delivered_and_removes(join, name, version, qos):
    subscriber, publisher = join(version), join(version)
    publisher.keep(name, b"kept", qos=qos)
    subscriber.subscribe(name, qos=qos)
    subscriber.take(payload=b"kept", retain=True)
    publisher.keep(name, b"", qos=qos)
    subscriber.take(payload=b"", retain=False)
    assert join(version).retained(name) == {}


@statement("3.1.1", "MQTT-3.3.1-11")
@statement("5.0", "MQTT-3.3.1-7")
@all_versions
def test_an_empty_message_is_not_stored_where_there_was_none(join, name, version):
    publisher = join(version)
    publisher.publish(name, b"", qos=1, retain=True)
    assert join(version).retained(name) == {}


@statement("3.1.1", "MQTT-3.3.1-12")
@statement("5.0", "MQTT-3.3.1-8")
@all_versions
@pytest.mark.parametrize("payload", [b"passing", b""], ids=["with-payload", "empty"])
def test_a_message_without_retain_leaves_the_store_alone(join, name, version, payload):
    publisher = join(version)
    publisher.publish(f"{name}/none", payload, qos=1)
    publisher.publish(f"{name}/some", b"kept", qos=1, retain=True)
    publisher.publish(f"{name}/some", payload, qos=1)
    found = join(version).retained(f"{name}/#")
    assert {topic: message.payload for topic, message in found.items()} == {f"{name}/some": b"kept"}


@statement("3.1.1", "MQTT-3.1.2-7")
@statement("5.0", "MQTT-3.3.1-5", "MQTT-4.1.0-2")
@all_versions
def test_retained_messages_outlive_their_publishers_session(join, name, version):
    publisher = join(version, name)
    publisher.publish(f"{name}/t", b"kept", qos=1, retain=True)
    publisher.disconnect()
    join(version, name, clean=True).disconnect()
    assert join(version).retained(f"{name}/t")[f"{name}/t"].payload == b"kept"


@statement("3.1.1", "MQTT-3.3.1-6")
@statement("5.0", "MQTT-3.3.1-9")
@all_versions
def test_a_resumed_subscription_is_not_a_new_one(join, name, version):
    """Reconnecting to a session is no subscribe: the retained message does not come again."""
    fields = {"clean": False, "props": [(wire.SESSION_EXPIRY, 100)] if version == 5 else []}
    client, publisher = join(version, name, **fields), join(version)
    publisher.publish(f"{name}/t", b"kept", qos=1, retain=True)
    assert client.retained(f"{name}/t")
    client.disconnect()
    client = join(version, name, **fields)
    assert client.retained(f"{name}/none") == {}
    client.barrier()


# --- options of 5.0 -------------------------------------------------------------------------------------------------------


@statement("5.0", "MQTT-3.3.1-9", "MQTT-3.3.1-10", "MQTT-3.3.1-11")
@pytest.mark.parametrize("handling,times", [(0, [True, True, True]), (1, [True, False, False]), (2, [False, False, False])])
def test_retain_handling(join, name, handling, times):
    publisher, client = join(5), join(5)
    publisher.publish(name, b"kept", qos=1, retain=True)
    assert [bool(client.retained(name, qos=1, retain_handling=handling)) for _ in range(3)] == times


@statement("5.0", "MQTT-3.3.1-10")
def test_retain_handling_1_counts_unsubscribed_as_new(join, name):
    publisher, client = join(5), join(5)
    publisher.publish(name, b"kept", qos=1, retain=True)
    assert client.retained(name, retain_handling=1)
    client.unsubscribe(name)
    assert client.retained(name, retain_handling=1)


@statement("5.0", "MQTT-3.3.1-10")
def test_retain_handling_1_looks_at_the_filter_not_at_the_topics(join, name):
    publisher, client = join(5), join(5)
    publisher.publish(name, b"kept", qos=1, retain=True)
    assert client.retained(name, retain_handling=1)
    assert client.retained(f"{name}/#", retain_handling=1)


@statement("5.0", "MQTT-3.3.1-12", "MQTT-3.3.1-13")
@pytest.mark.parametrize("as_published", [False, True])
@pytest.mark.parametrize("sent", [False, True])
def test_retain_as_published(join, name, as_published, sent):
    client, publisher = join(5), join(5)
    client.subscribe(name, retain_as_published=as_published)
    publisher.publish(name, b"m", retain=sent)
    client.expect(PUBLISH, retain=sent and as_published)


@statement("5.0", "MQTT-3.3.1-12", "MQTT-3.3.1-13")
def test_subscribers_with_both_settings_at_once(join, name):
    plain, faithful, publisher = join(5), join(5), join(5)
    plain.subscribe(name)
    faithful.subscribe((name, options(retain_as_published=True)))
    publisher.publish(name, b"m", retain=True)
    plain.expect(PUBLISH, retain=False)
    faithful.expect(PUBLISH, retain=True)


# --- expiry ---------------------------------------------------------------------------------------------------------------


@statement("5.0", "MQTT-3.3.2-5")
def test_an_expired_retained_message_is_not_delivered(join, name):
    publisher = join(5)
    publisher.publish(f"{name}/short", b"m", qos=1, retain=True, props=[(wire.MESSAGE_EXPIRY, 1)])
    publisher.publish(f"{name}/long", b"m", qos=1, retain=True, props=[(wire.MESSAGE_EXPIRY, 100)])
    let_seconds_expire(join, name, 1)
    assert set(join(5).retained(f"{name}/+")) == {f"{name}/long"}


@statement("5.0", "MQTT-3.3.2-6")
@versions(5)
def test_the_expiry_of_a_retained_message_goes_down(join, name, version):
    publisher = join(version)
    publisher.publish(f"{name}/t", b"m", qos=1, retain=True, props=[(wire.MESSAGE_EXPIRY, 100)])
    let_seconds_expire(join, name, 1)
    left = wire.value_of(join(version).retained(f"{name}/t")[f"{name}/t"], wire.MESSAGE_EXPIRY)
    assert 50 < left < 100
