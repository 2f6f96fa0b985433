"""Topic names and filters: what matches, what is refused, that nothing is normalised."""

import pytest

import mqtt_wire as wire
from mqtt_wire import PUBLISH, SUBACK
from statements import all_versions, case, statement, versions

MATCHES = [
    case("hash-own-level", "#", "", True, v311=["4.7.1-2"], v5=["4.7.1-1"]),
    case("hash-child", "/#", "/a", True, v311=["4.7.1-2"], v5=["4.7.1-1"]),
    case("hash-deep", "/#", "/a/b/c", True, v311=["4.7.1-2"], v5=["4.7.1-1"]),
    case("hash-parent", "/a/#", "/a", True, v311=["4.7.1-2"], v5=["4.7.1-1"]),
    case("hash-not-sibling", "/a/#", "/ab", False, v311=["4.7.1-2"], v5=["4.7.1-1"]),
    case("hash-empty-level", "/a/#", "/a/", True, v311=["4.7.1-2"], v5=["4.7.1-1"]),
    case("plus-one-level", "/+", "/a", True, v311=["4.7.1-3"], v5=["4.7.1-2"]),
    case("plus-not-two", "/+", "/a/b", False, v311=["4.7.1-3"], v5=["4.7.1-2"]),
    case("plus-not-none", "/+", "", False, v311=["4.7.1-3"], v5=["4.7.1-2"]),
    case("plus-empty-level", "/+", "/", True, v311=["4.7.1-3"], v5=["4.7.1-2"]),
    case("plus-inside", "/+/b", "/a/b", True, v311=["4.7.1-3"], v5=["4.7.1-2"]),
    case("plus-inside-empty", "/+/b", "//b", True, v311=["4.7.1-3"], v5=["4.7.1-2"]),
    case("plus-inside-other", "/+/b", "/a/c", False, v311=["4.7.1-3"], v5=["4.7.1-2"]),
    case("plus-twice", "/+/+", "/a/b", True, v311=["4.7.1-3"], v5=["4.7.1-2"]),
    case("plus-then-hash", "/+/#", "/a", True, v311=["4.7.1-3"], v5=["4.7.1-2"]),
    case("plus-then-hash-parent", "/+/#", "", False, v311=["4.7.1-3"], v5=["4.7.1-2"]),
    case("plus-then-hash-empty", "/+/#", "/", True, v311=["4.7.1-3"], v5=["4.7.1-2"]),
    case("exact", "/a", "/a", True, v311=["4.7.3-4"], v5=["4.7.3-4"]),
    case("trailing-slash", "/a", "/a/", False, v311=["4.7.3-4"], v5=["4.7.3-4"]),
    case("doubled-slash", "/a", "//a", False, v311=["4.7.3-4"], v5=["4.7.3-4"]),
    case("case", "/a", "/A", False, v311=["4.7.3-4"], v5=["4.7.3-4"]),
    case("blank", "/a", "/a ", False, v311=["4.7.3-4"], v5=["4.7.3-4"]),
    case("dots", "/b", "/a/../b", False, v311=["4.7.3-4"], v5=["4.7.3-4"]),
    case("percent", "/a b", "/a%20b", False, v311=["4.7.3-4"], v5=["4.7.3-4"]),
    case("composed", "/\u00e9", "/e\u0301", False, v311=["4.7.3-4"], v5=["4.7.3-4"]),
    case("ligature", "/fi", "/\ufb01", False, v311=["4.7.3-4"], v5=["4.7.3-4"]),
    case("unassigned", "/\U000e0fff", "/\U000e0fff", True, v311=["4.7.3-4"], v5=["4.7.3-4"]),
    case("emoji", "/\U0001f600/+", "/\U0001f600/x", True, v311=["4.7.3-4"], v5=["4.7.3-4"]),
    case("dollar-inside", "/+", "/$a", True, v311=["4.7.2-1"], v5=["4.7.2-1"]),
    case("dollar-inside-hash", "/#", "/$SYS/a", True, v311=["4.7.2-1"], v5=["4.7.2-1"]),
]


@statement("3.1.1", "MQTT-3.3.2-3")
@statement("5.0", "MQTT-3.3.2-3")
@all_versions
@pytest.mark.parametrize("filter_,topic,matches", MATCHES)
def test_matching(join, name, version, filter_, topic, matches):
    """Filters and topics begin with a word of this test; for a filter # alone the word is a level before it."""
    filter_ = f"{name}/{filter_}" if filter_ == "#" else name + filter_
    subscriber, publisher = join(version), join(version)
    subscriber.subscribe(filter_)
    publisher.publish(name + topic, b"m")
    if matches:
        subscriber.expect(PUBLISH, topic=name + topic)
    subscriber.fence(publisher)


@statement("3.1.1", "MQTT-4.7.2-1")
@statement("5.0", "MQTT-4.7.2-1")
@all_versions
@pytest.mark.parametrize("filter_", ["#", "+/{}", "+/#", "+/+", "/#"])
def test_leading_wildcards_do_not_match_dollar_topics(join, name, version, filter_):
    subscriber, exact, publisher = join(version), join(version), join(version)
    exact.subscribe(f"$own-{name}/{name}", f"$own-{name}/#")
    subscriber.subscribe(filter_.format(name))
    publisher.publish(f"$own-{name}/{name}", b"hidden")
    publisher.publish(f"own/{name}" if filter_ != "/#" else f"/{name}", b"shown")
    exact.expect(PUBLISH, payload=b"hidden")
    while (got := subscriber.expect(PUBLISH)).payload != b"shown":
        assert got.retain and not got.topic.startswith("$"), got.topic


@statement("3.1.1", "MQTT-4.7.2-1")
@statement("5.0", "MQTT-4.7.2-1")
@all_versions
def test_leading_wildcards_get_no_retained_dollar_topics(join, name, version):
    publisher, subscriber = join(version), join(version)
    publisher.publish(f"$own-{name}/kept", b"hidden", qos=1, retain=True)
    subscriber.subscribe(f"$own-{name}/+")
    subscriber.expect(PUBLISH, topic=f"$own-{name}/kept")
    assert not [topic for topic in join(version).retained("+/kept", "#") if topic.startswith("$")]


BAD_FILTERS = [
    case("hash-not-last", "a/#/b", v311=["4.7.1-2"], v5=["4.7.1-1"]),
    case("hash-after-text", "a#", v311=["4.7.1-2"], v5=["4.7.1-1"]),
    case("hash-before-text", "a/#b", v311=["4.7.1-2"], v5=["4.7.1-1"]),
    case("hash-twice", "#/#", v311=["4.7.1-2"], v5=["4.7.1-1"]),
    case("plus-after-text", "a+", v311=["4.7.1-3"], v5=["4.7.1-2"]),
    case("plus-before-text", "a/+b/c", v311=["4.7.1-3"], v5=["4.7.1-2"]),
    case("plus-twice", "++", v311=["4.7.1-3"], v5=["4.7.1-2"]),
    case("hash-plus", "a/#+", v311=["4.7.1-2"], v5=["4.7.1-1"]),
    case("plus-hash", "+#", v311=["4.7.1-3"], v5=["4.7.1-2"]),
    case("empty", "", v311=["4.7.3-1"], v5=["4.7.3-1"]),
]


@versions(4, 5)
@pytest.mark.parametrize("filter_", BAD_FILTERS)
def test_a_filter_that_breaks_the_rules_is_not_subscribed(join, name, version, filter_):
    """The connection is closed, or the SUBACK says that it failed."""
    client = join(version)
    client.send(wire.subscribe(version, 1, [(filter_, 0)]))
    got = client.receive()
    if got is not None and got.kind == SUBACK:
        assert got.codes == [0x8F if version == 5 else 0x80]
    else:
        assert got is None or got.reason in (0x81, 0x82, 0x8F)


@statement("3.1.1", "MQTT-4.7.3-1")
@statement("5.0", "MQTT-4.7.3-1")
@all_versions
@pytest.mark.parametrize("topic", ["/", "//", "a", " ", "$", "$x"])
def test_one_character_is_enough(join, name, version, topic):
    subscriber, publisher = join(version), join(version)
    subscriber.subscribe(topic)
    publisher.publish(topic, name)
    subscriber.expect(PUBLISH, topic=topic, payload=name.encode())


@statement("3.1.1", "MQTT-4.7.3-3")
@statement("5.0", "MQTT-4.7.3-3")
@all_versions
def test_topics_of_65535_bytes(join, name, version):
    """Both as a filter and as a name, whole."""
    topic = name + "x" * (65535 - len(name))
    subscriber, publisher = join(version), join(version)
    subscriber.subscribe(topic, qos=1)
    publisher.publish(topic, b"m", qos=1)
    subscriber.take(topic=topic, payload=b"m")


@statement("5.0", "MQTT-4.7.0-1")
@statement("3.1.1", "MQTT-4.7.1-1")
@all_versions
def test_wildcards_of_other_languages_are_plain_characters(join, name, version):
    subscriber, publisher = join(version), join(version)
    subscriber.subscribe(f"{name}/*", f"{name}/?/%")
    publisher.publish(f"{name}/a", b"no")
    publisher.publish(f"{name}/?/%", b"yes")
    subscriber.expect(PUBLISH, topic=f"{name}/?/%", payload=b"yes")
    publisher.publish(f"{name}/*", b"yes")
    subscriber.expect(PUBLISH, topic=f"{name}/*", payload=b"yes")
