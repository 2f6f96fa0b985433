"""UNSUBSCRIBE and UNSUBACK."""

import pytest

import mqtt_wire as wire
from mqtt_wire import PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL, UNSUBACK
from statements import all_versions, case, statement, versions


@statement("3.1.1", "MQTT-3.10.4-4", "MQTT-3.10.4-5", "MQTT-2.3.1-7")
@statement("5.0", "MQTT-3.10.4-4", "MQTT-3.10.4-5", "MQTT-2.2.1-6", "MQTT-3.11.3-2")
@all_versions
@pytest.mark.parametrize("packet_id", [1, 255, 256, 65535])
def test_unsuback_even_when_nothing_was_deleted(join, name, version, packet_id):
    client = join(version)
    client.send(wire.unsubscribe(version, packet_id, [name]))
    client.expect(UNSUBACK, packet_id=packet_id, codes=[0x11] if version == 5 else [])


@statement("3.1.1", "MQTT-3.10.4-1", "MQTT-3.10.4-2")
@statement("5.0", "MQTT-3.10.4-1", "MQTT-3.10.4-2")
@all_versions
@pytest.mark.parametrize("filter_", ["{}", "{}/+", "{}/#", "+/{}/#", "$share/g/{}"])
def test_an_equal_filter_is_deleted(join, name, version, filter_):
    filter_ = filter_.format(name)
    client, publisher = join(version), join(version)
    client.subscribe(filter_)
    client.unsubscribe(filter_)
    for topic in (name, f"{name}/a", f"a/{name}/b"):
        publisher.publish(topic, b"m")
    client.fence(publisher)


@statement("3.1.1", "MQTT-3.10.4-1")
@statement("5.0", "MQTT-3.10.4-1")
@all_versions
@pytest.mark.parametrize("filter_", ["{}/a", "{}/+", "{}/#", "#", "{}/a/", "{}/A", "/{}/a", "{}/a/#"])
def test_only_an_equal_filter_is_deleted(join, name, version, filter_):
    """Filters that match the same topics, or differ in one character, leave the subscription alone."""
    client, publisher = join(version), join(version)
    kept = f"{name}/a" if filter_ != "{}/a" else f"{name}/+"
    client.subscribe(kept)
    got = client.unsubscribe(filter_.format(name))
    assert got.codes == ([0x11] if version == 5 else [])
    publisher.publish(f"{name}/a", b"m")
    client.expect(PUBLISH, topic=f"{name}/a")


@statement("3.1.1", "MQTT-3.10.4-6")
@statement("5.0", "MQTT-3.10.4-6", "MQTT-3.11.3-1", "MQTT-3.11.3-2")
@all_versions
def test_several_filters_with_one_answer(join, name, version):
    client, publisher = join(version), join(version)
    client.subscribe(f"{name}/a", f"{name}/b", f"{name}/c")
    got = client.unsubscribe(f"{name}/c", f"{name}/none", f"{name}/a", f"{name}/a")
    assert got.codes == ([0x00, 0x11, 0x00, 0x11] if version == 5 else [])
    for topic in "abc":
        publisher.publish(f"{name}/{topic}", b"m")
    client.expect(PUBLISH, topic=f"{name}/b")
    client.fence(publisher)


@statement("3.1.1", "MQTT-3.10.4-3")
@statement("5.0", "MQTT-3.10.4-3")
@all_versions
@pytest.mark.parametrize("qos", [1, 2])
def test_a_delivery_that_has_begun_is_completed(join, name, version, qos):
    """The message is out and not acknowledged when its subscription goes: the handshake still runs to its end."""
    client, publisher = join(version), join(version)
    client.subscribe(name, qos=qos)
    publisher.publish(name, b"m", qos=qos)
    message = client.expect(PUBLISH, qos=qos)
    client.unsubscribe(name)
    client.acknowledge(message)
    client.fence(publisher)


@statement("3.1.1", "MQTT-3.10.4-3", "MQTT-4.4.0-1")
@statement("5.0", "MQTT-3.10.4-3", "MQTT-4.4.0-1")
@all_versions
@pytest.mark.parametrize("qos", [1, 2])
def test_a_delivery_that_has_begun_is_completed_on_the_next_connection(join, name, version, qos):
    fields = {"clean": False, "props": [(wire.SESSION_EXPIRY, 100)] if version == 5 else []}
    client, publisher = join(version, name, **fields), join(version)
    client.subscribe(f"{name}/t", qos=qos)
    publisher.publish(f"{name}/t", b"m", qos=qos)
    sent = client.expect(PUBLISH, qos=qos)
    client.unsubscribe(f"{name}/t")
    client.drop()
    back = join(version, name, **fields)
    back.take(qos=qos, dup=True, packet_id=sent.packet_id, payload=b"m")
    back.barrier()


@statement("3.1.1", "MQTT-3.10.4-2")
@statement("5.0", "MQTT-3.10.4-2")
@all_versions
def test_nothing_comes_after_unsuback(join, name, version):
    client, publisher = join(version), join(version)
    client.subscribe(name)
    for _ in range(50):
        publisher.publish(name, b"m")
    client.send(wire.unsubscribe(version, 99, [name]))
    while client.receive().kind == PUBLISH:
        pass
    publisher.publish(name, b"late", qos=1)
    client.fence(publisher)


def raw(version, body):
    return wire.packet(wire.UNSUBSCRIBE, 2, wire.u16(1) + (b"\0" if version == 5 else b"") + body)


MALFORMED = [
    case("no-filter", lambda v: raw(v, b""), (0x81, 0x82), v311=["3.10.3-2"], v5=["3.10.3-2"]),
    case("empty-body", lambda v: b"\xa2\0", (0x81, 0x82), v311=["3.10.3-2"], v5=["3.10.3-2"]),
    case("packet-id-0", lambda v: wire.unsubscribe(v, 0, ["t"]), (0x81, 0x82), v311=["2.3.1-1"], v5=["2.2.1-3"]),
    case("cut-filter", lambda v: raw(v, b"\0\5tt"), (0x81,), v311=["3.10.3-1"], v5=["3.10.3-1"]),
    case("half-a-length", lambda v: raw(v, wire.binary("t") + b"\0"), (0x81,), v311=["3.10.3-1"], v5=["3.10.3-1"]),
]


@statement("3.1.1", "MQTT-4.8.0-1")
@statement("5.0", "MQTT-4.13.1-1")
@versions(4, 5)
@pytest.mark.parametrize("build,reasons", MALFORMED)
def test_malformed_unsubscribe_closes(join, version, build, reasons):
    client = join(version)
    client.send(build(version))
    client.expect_closed(*reasons)


@statement("3.1.1", "MQTT-4.7.3-1")
@statement("5.0", "MQTT-4.7.3-1")
@versions(4, 5)
def test_unsubscribing_from_nothing_at_all_deletes_nothing(join, name, version):
    """An empty filter closes the connection, or is answered as one that fails."""
    client = join(version)
    client.send(wire.unsubscribe(version, 1, [""]))
    got = client.receive()
    if got is not None and got.kind == UNSUBACK:
        assert got.codes in ([], [0x11], [0x8F])
    else:
        assert got is None or got.reason in (0x81, 0x82, 0x8F)


@statement("5.0", "MQTT-3.10.4-3")
@statement("3.1.1", "MQTT-3.10.4-3")
@all_versions
def test_a_release_that_is_out_is_still_awaited(join, name, version):
    """PUBREL is out when the subscription goes; PUBCOMP ends it and the window is open for other messages."""
    client, publisher = join(version), join(version)
    client.subscribe(name, f"{name}/other", qos=2)
    publisher.publish(name, b"m", qos=2)
    message = client.expect(PUBLISH, qos=2)
    client.send(wire.ack(version, PUBREC, message.packet_id))
    client.expect(PUBREL, packet_id=message.packet_id)
    client.unsubscribe(name)
    client.finish(PUBCOMP, message.packet_id)
    publisher.publish(f"{name}/other", b"next", qos=1)
    got = client.expect(PUBLISH, payload=b"next")
    client.finish(PUBACK, got.packet_id)
    client.barrier()
