"""Shared subscriptions, in 5.0 and in 3.1.1."""

import time

import pytest

import mqtt_wire as wire
from mqtt_client import DEADLINE
from mqtt_wire import PINGRESP, PUBACK, PUBLISH, PUBREC, PUBREL, SUBACK, options
from statements import all_versions, case, statement, versions


def lasting(version):
    return {"clean": False, "props": [(wire.SESSION_EXPIRY, 100)] if version == 5 else []}


def drain(client):
    """The payloads that have arrived by the answer to PINGREQ, acknowledged at QoS 1."""
    client.send(wire.pingreq())
    payloads = []
    while (got := client.receive()).kind != PINGRESP:
        payloads.append(got.payload)
        if got.qos == 1:
            client.finish(PUBACK, got.packet_id)
    return payloads


@statement("5.0", "MQTT-4.8.2-1", "MQTT-4.8.2-2")
@all_versions
@pytest.mark.parametrize("filter_", ["{}/t", "{}/+", "{}/#", "/{}/t", "+/t"])
def test_a_shared_filter_matches_what_follows_its_name(join, name, version, filter_):
    """The topic has neither $share nor the share name."""
    filter_ = filter_.format(name)
    topic = f"/{name}/t" if filter_.startswith("/") else f"{name}/t"
    member, publisher = join(version), join(version)
    member.subscribe(f"$share/{name}/{filter_}")
    publisher.publish(topic, b"m")
    member.expect(PUBLISH, topic=topic)


BAD = [
    case("no-share-name", "$share//t", v5=["4.8.2-1"]), case("plus-in-the-name", "$share/a+/t", v5=["4.8.2-2"]),
    case("plus-as-the-name", "$share/+/t", v5=["4.8.2-2"]), case("hash-in-the-name", "$share/a#/t", v5=["4.8.2-2"]),
    case("hash-as-the-name", "$share/#", v5=["4.8.2-2"]), case("no-filter", "$share/g", v5=["4.8.2-2"]),
    case("empty-filter", "$share/g/", v5=["4.8.2-2"]), case("nothing", "$share/", v5=["4.8.2-1"]),
    case("bad-filter", "$share/g/a/#/b", v5=["4.8.2-2"]),
]


@versions(4, 5)
@pytest.mark.parametrize("filter_", BAD)
def test_a_shared_filter_that_breaks_the_rules_is_not_subscribed(join, version, filter_):
    client = join(version)
    client.send(wire.subscribe(version, 1, [(filter_, 0)]))
    got = client.receive()
    if got is not None and got.kind == SUBACK:
        assert got.codes == [0x8F if version == 5 else 0x80]
    else:
        assert got is None or got.reason in (0x81, 0x82, 0x8F)


@statement("5.0", "MQTT-4.8.2-1")
@all_versions
@pytest.mark.parametrize("qos", [0, 1])
def test_each_message_goes_to_one_member(join, name, version, qos):
    """Every group and every plain subscriber gets all; within a group each message comes once, and all members get some."""
    publisher = join(version)
    groups = [[join(version) for _ in range(3)] for _ in range(2)]
    plain = join(version)
    plain.subscribe(name, qos=qos)
    for index, group in enumerate(groups):
        for member in group:
            member.subscribe(f"$share/g{index}-{name}/{name}", qos=qos)
    sent = [bytes([index]) for index in range(60)]
    for payload in sent:
        publisher.publish(name, payload, qos=qos)
    assert [plain.take().payload for _ in sent] == sent
    for group in groups:
        got, received = [], [[] for _ in group]
        deadline = time.monotonic() + DEADLINE
        while len(got) < len(sent) and time.monotonic() < deadline:
            for member, own in zip(group, received):
                new = drain(member)
                own += new
                got += new
        assert sorted(got) == sent
        assert all(received), "a member got nothing at all"


@statement("5.0", "MQTT-4.8.2-1")
@versions(4, 5)
def test_a_client_is_in_a_group_and_subscribed_itself(join, name, version):
    """Two subscriptions, two deliveries: a shared one is not merged with the client's own."""
    client, publisher = join(version), join(version)
    client.subscribe(name, f"$share/g/{name}")
    publisher.publish(name, b"m")
    client.expect(PUBLISH, payload=b"m")
    client.expect(PUBLISH, payload=b"m")


@statement("5.0", "MQTT-4.8.2-3")
@all_versions
@pytest.mark.parametrize("granted", [0, 1, 2])
@pytest.mark.parametrize("sent", [0, 1, 2])
def test_the_granted_qos_is_respected(join, name, version, sent, granted):
    member, publisher = join(version), join(version)
    member.subscribe(f"$share/g/{name}", qos=granted)
    publisher.publish(name, b"m", qos=sent)
    member.take(qos=min(sent, granted))


@statement("5.0", "MQTT-3.8.3-4", "MQTT-4.13.1-1")
def test_no_local_on_a_shared_subscription_closes(join, name):
    client = join(5)
    client.send(wire.subscribe(5, 1, [(f"$share/g/{name}", options(no_local=True))]))
    client.expect_closed(0x82)


@all_versions
def test_a_shared_subscription_gets_no_retained_messages(join, name, version):
    publisher, member = join(version), join(version)
    publisher.publish(f"{name}/t", b"kept", qos=1, retain=True)
    assert member.retained(f"$share/g/{name}/t") == {}


@statement("5.0", "MQTT-3.3.4-3")
def test_a_shared_subscription_has_its_identifier(join, name):
    member, publisher = join(5), join(5)
    member.subscribe(f"$share/g/{name}", props=[(wire.SUBSCRIPTION_ID, 7)])
    publisher.publish(name, b"m")
    assert wire.values_of(member.expect(PUBLISH), wire.SUBSCRIPTION_ID) == [7]


@statement("5.0", "MQTT-3.10.4-1", "MQTT-3.10.4-2")
@all_versions
def test_a_member_that_leaves_gets_nothing_more(join, name, version):
    leaver, stayer, publisher = join(version), join(version), join(version)
    for member in (leaver, stayer):
        member.subscribe(f"$share/g/{name}")
    leaver.unsubscribe(f"$share/g/{name}")
    for index in range(10):
        publisher.publish(name, bytes([index]))
    assert [stayer.expect(PUBLISH).payload for _ in range(10)] == [bytes([index]) for index in range(10)]
    leaver.fence(publisher)


@statement("5.0", "MQTT-4.8.2-4")
@all_versions
@pytest.mark.parametrize("released", [False, True], ids=["sent", "released"])
def test_a_qos_2_message_is_completed_with_its_member(join, name, version, released):
    """The member's connection breaks in the middle: the exchange goes on with it when it is back, and with nobody else."""
    member, publisher = join(version, name, **lasting(version)), join(version)
    member.subscribe(f"$share/g/{name}/t", qos=2)
    publisher.publish(f"{name}/t", b"m", qos=2)
    message = member.expect(PUBLISH, qos=2)
    if released:
        member.send(wire.ack(version, PUBREC, message.packet_id))
        member.expect(PUBREL, packet_id=message.packet_id)
    other = join(version)
    other.subscribe(f"$share/g/{name}/t", qos=2)
    member.drop()
    member = join(version, name, **lasting(version))
    if released:
        member.expect(PUBREL, packet_id=message.packet_id)
        member.finish(wire.PUBCOMP, message.packet_id)
    else:
        member.take(payload=b"m", packet_id=message.packet_id, dup=True)
    member.barrier()
    other.fence(publisher)


@statement("5.0", "MQTT-4.8.2-5")
@versions(4, 5)
def test_a_qos_2_message_dies_with_its_members_session(join, name, version):
    member, other, publisher = join(version, name, **lasting(version)), join(version), join(version)
    member.subscribe(f"$share/g/{name}/t", qos=2)
    publisher.publish(f"{name}/t", b"m", qos=2)
    member.expect(PUBLISH, qos=2)
    other.subscribe(f"$share/g/{name}/t", qos=2)
    member.drop()
    join(version, name, clean=True)
    other.fence(publisher)


@statement("5.0", "MQTT-4.8.2-6")
@pytest.mark.parametrize("qos,kind", [(1, PUBACK), (2, PUBREC)])
def test_a_refused_message_goes_to_no_other_member(join, name, qos, kind):
    members, publisher = [join(5) for _ in range(2)], join(5)
    members[0].subscribe(f"$share/g/{name}", qos=2)
    publisher.publish(name, b"m", qos=qos)
    members[1].subscribe(f"$share/g/{name}", qos=2)
    message = members[0].expect(PUBLISH)
    members[0].finish(kind, message.packet_id, 0x83)
    members[0].fence(publisher)
    members[1].fence(publisher)
