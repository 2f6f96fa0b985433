"""The will: when it is published, as what, and when it is not."""

import pytest

import mqtt_wire as wire
from mqtt_client import let_seconds_expire
from statements import all_versions, statement, versions


@pytest.fixture
def watch(join):
    """Somebody who waits for wills: watch(5, topic)."""

    def make(version, topic):
        client = join(version)
        client.subscribe(topic, qos=2)
        return client

    return make


def will(name, **fields):
    return wire.will(f"{name}/will", b"gone", **fields)


WAYS = {
    "the-connection-breaks": lambda client: client.drop(),
    "a-protocol-error": lambda client: client.send(wire.connect(client.version, "again")),
    "a-malformed-packet": lambda client: client.send(b"\x36\x00"),
}


@statement("3.1.1", "MQTT-3.1.2-8", "MQTT-3.1.2-9")
@statement("5.0", "MQTT-3.1.2-7", "MQTT-3.1.2-8", "MQTT-3.1.2-9")
@all_versions
@pytest.mark.parametrize("way", WAYS)
def test_the_will_is_published_when_the_connection_ends(join, watch, name, version, way):
    watcher, client = watch(version, f"{name}/will"), join(version, name, will=will(name))
    WAYS[way](client)
    watcher.take(topic=f"{name}/will", payload=b"gone")


@statement("3.1.1", "MQTT-3.1.2-8", "MQTT-3.1.2-24")
@statement("5.0", "MQTT-3.1.2-8", "MQTT-3.1.2-22")
@all_versions
def test_the_will_is_published_when_keep_alive_runs_out(join, watch, name, version):
    watcher = watch(version, f"{name}/will")
    join(version, name, will=will(name), keep_alive=1)
    watcher.take(topic=f"{name}/will")


@statement("3.1.1", "MQTT-3.1.2-8", "MQTT-3.1.4-2")
@statement("5.0", "MQTT-3.1.2-8", "MQTT-3.1.4-3")
@all_versions
def test_the_will_is_published_when_a_connection_is_taken_over(join, watch, name, version):
    """The session of the old connection ends with it, so nothing keeps its will back."""
    watcher, old = watch(version, f"{name}/will"), join(version, name, will=will(name))
    join(version, name)
    old.expect_closed(0x8E)
    watcher.take(topic=f"{name}/will")


@statement("3.1.1", "MQTT-3.14.4-3", "MQTT-3.1.2-8", "MQTT-3.1.2-10")
@statement("5.0", "MQTT-3.14.4-3", "MQTT-3.1.2-10")
@all_versions
def test_disconnect_withdraws_the_will(join, watch, name, version):
    watcher, client = watch(version, f"{name}/will"), join(version, name, will=will(name))
    client.disconnect()
    watcher.fence(join(version))


@statement("5.0", "MQTT-3.1.2-8", "MQTT-3.14.4-3")
@pytest.mark.parametrize("code", [0x04, 0x80])
def test_disconnect_with_another_code_publishes_the_will(join, watch, name, code):
    watcher, client = watch(5, f"{name}/will"), join(5, name, will=will(name))
    client.disconnect(code)
    watcher.take(topic=f"{name}/will", payload=b"gone")


@statement("3.1.1", "MQTT-3.1.2-10")
@statement("5.0", "MQTT-3.1.2-10")
@all_versions
def test_a_will_is_published_once(join, watch, name, version):
    """The next connection of the client has no will: when it breaks nothing comes."""
    watcher, client = watch(version, f"{name}/will"), join(version, name, will=will(name))
    client.drop()
    watcher.take(topic=f"{name}/will")
    join(version, name, clean=False).drop()
    watcher.fence(join(version))


@statement("3.1.1", "MQTT-3.1.2-12")
@all_versions
def test_without_a_will_nothing_is_published(join, watch, name, version):
    watcher, client = watch(version, f"{name}/#"), join(version, name)
    client.drop()
    watcher.fence(join(version))


@statement("3.1.1", "MQTT-3.1.2-9", "MQTT-3.1.2-14")
@statement("5.0", "MQTT-3.1.2-9")
@all_versions
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_the_will_has_its_qos(join, watch, name, version, qos):
    watcher, client = watch(version, f"{name}/will"), join(version, name, will=will(name, qos=qos))
    client.drop()
    watcher.take(qos=qos, payload=b"gone")


@statement("3.1.1", "MQTT-3.1.2-16", "MQTT-3.1.2-17")
@statement("5.0", "MQTT-3.1.2-14", "MQTT-3.1.2-15")
@all_versions
@pytest.mark.parametrize("retain", [False, True])
def test_a_will_is_retained_only_when_it_says_so(join, watch, name, version, retain):
    watcher, client = watch(version, f"{name}/will"), join(version, name, will=will(name, qos=1, retain=retain))
    client.drop()
    watcher.take(retain=False)
    watcher.fence(join(version))
    found = join(version).retained(f"{name}/will")
    assert [message.payload for message in found.values()] == ([b"gone"] if retain else [])


@statement("3.1.1", "MQTT-3.1.2-9")
@statement("5.0", "MQTT-3.1.2-9")
@all_versions
def test_a_will_may_be_empty(join, watch, name, version):
    watcher, client = watch(version, f"{name}/will"), join(version, name, will=wire.will(f"{name}/will", b""))
    client.drop()
    watcher.take(payload=b"")


@statement("3.1.1", "MQTT-3.1.4-5")
@statement("5.0", "MQTT-3.1.4-6")
@versions(4, 5)
def test_a_refused_connection_has_no_will(dial, join, watch, name, version):
    watcher, client = watch(version, f"{name}/will"), dial(version)
    bad = {"props": [(wire.AUTH_METHOD, "none")]} if version == 5 else {"clean": False}
    client.send(wire.connect(version, name if version == 5 else "", will=will(name), **bad))
    client.expect_refused(0x8C if version == 5 else 2)
    watcher.fence(join(version))


@statement("5.0", "MQTT-3.1.3-10", "MQTT-3.3.2-18")
def test_will_properties_are_those_of_the_message(join, watch, name):
    props = [(wire.PAYLOAD_FORMAT, 1), (wire.MESSAGE_EXPIRY, 1000), (wire.CONTENT_TYPE, "text"), (wire.RESPONSE_TOPIC, "r"),
             (wire.CORRELATION_DATA, b"\0\1")] + [(wire.USER_PROPERTY, pair) for pair in (("b", "1"), ("a", "2"), ("b", "1"))]
    watcher, client = watch(5, f"{name}/will"), join(5, name, will=will(name, props=props))
    client.drop()
    got = watcher.take()
    assert wire.values_of(got, wire.USER_PROPERTY) == [("b", "1"), ("a", "2"), ("b", "1")]
    expected = [entry for entry in props if entry[0] != wire.MESSAGE_EXPIRY]
    assert sorted((e for e in got.props if e[0] != wire.MESSAGE_EXPIRY), key=str) == sorted(expected, key=str)
    assert 900 < wire.value_of(got, wire.MESSAGE_EXPIRY) <= 1000


# --- will delay (5.0) -----------------------------------------------------------------------------------------------------


def delayed(seconds):
    return [(wire.WILL_DELAY, seconds)]


def lasting(seconds=100):
    return {"clean": False, "props": [(wire.SESSION_EXPIRY, seconds)]}


@statement("5.0", "MQTT-3.1.2-8", "MQTT-3.1.3-9")
def test_a_delayed_will_comes_after_its_delay(join, watch, name):
    """It has not come when a message that was sent later arrives; then it comes."""
    watcher, client = watch(5, f"{name}/will"), join(5, name, will=will(name, props=delayed(2)), **lasting())
    client.drop()
    watcher.fence(join(5))
    watcher.take(topic=f"{name}/will")


@statement("5.0", "MQTT-3.1.3-9", "MQTT-3.1.2-8")
def test_a_new_connection_within_the_delay_prevents_the_will(join, watch, name):
    watcher, client = watch(5, f"{name}/will"), join(5, name, will=will(name, props=delayed(2)), **lasting())
    client.drop()
    join(5, name, **lasting())
    let_seconds_expire(join, name, 3)
    watcher.fence(join(5))


@statement("5.0", "MQTT-3.1.3-9", "MQTT-3.1.2-8")
def test_taking_over_within_the_delay_prevents_the_will(join, watch, name):
    watcher, client = watch(5, f"{name}/will"), join(5, name, will=will(name, props=delayed(2)), **lasting())
    join(5, name, **lasting())
    client.expect_closed(0x8E)
    let_seconds_expire(join, name, 3)
    watcher.fence(join(5))


@statement("5.0", "MQTT-3.1.2-8")
@pytest.mark.parametrize("expiry", [0, 1])
def test_the_end_of_the_session_ends_the_delay(join, watch, name, expiry):
    """The delay is far longer than this test waits."""
    watcher, client = watch(5, f"{name}/will"), join(5, name, will=will(name, props=delayed(10000)), **lasting(expiry))
    client.drop()
    watcher.take(topic=f"{name}/will")


@statement("5.0", "MQTT-3.1.2-8")
def test_a_clean_start_ends_the_session_and_the_delay(join, watch, name):
    watcher, client = watch(5, f"{name}/will"), join(5, name, will=will(name, props=delayed(10000)), **lasting())
    client.drop()
    join(5, name, clean=True)
    watcher.take(topic=f"{name}/will")


@statement("5.0", "MQTT-3.1.2-8", "MQTT-3.14.4-3")
def test_a_delayed_will_is_published_on_disconnect_0x04_with_expiry_0(join, watch, name):
    watcher, client = watch(5, f"{name}/will"), join(5, name, will=will(name, props=delayed(10000)), **lasting())
    client.disconnect(0x04, [(wire.SESSION_EXPIRY, 0)])
    watcher.take(topic=f"{name}/will")
