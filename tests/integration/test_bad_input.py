"""Hostile and broken clients. Each gets the answer that the standard asks for; a witness is served during and after; the
broker's memory stays below the bound that each test states, and its descriptors return to what they were."""

import random
import socket

import pytest

import mqtt_wire as wire
from hostile import Guard, SECONDS, half_close, read_to_end, scaled, send_what_it_takes
from mqtt_client import Client
from support.broker import wait_until

VERSIONS = (3, 4, 5)
MALFORMED = (0x81, 0x82)


@pytest.fixture
def guard(broker, name):
    watching = Guard(broker, name)
    yield watching
    watching.finish()


@pytest.fixture
def dial(broker, guard):
    """Opens a connection; closed before the guard makes its last check."""
    made = []

    def make(version=5):
        made.append(Client(broker.address, version))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def join(dial, name):
    """A connection that is accepted. It has no keep alive."""
    count = 0

    def make(version=5, client_id=None, **fields):
        nonlocal count
        count += 1
        return dial(version).handshake(client_id or f"{name}c{count}", **fields)

    return make


def is_closed(sock):
    """True when the peer has ended a non-blocking connection."""
    try:
        return sock.recv(64) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def test_random_bytes_instead_of_connect(dial, guard):
    """No answer but a CONNACK that refuses, then the end."""
    generator = random.Random(20240601)
    for number in range(scaled(400)):
        client = dial(5)
        send_what_it_takes(client, generator.randbytes(generator.randint(1, 3000)))
        half_close(client)
        for packet in read_to_end(client):
            assert packet.kind == wire.CONNACK and packet.reason != 0
        client.close()
        if number % 100 == 0:
            guard.check(growth_mib=16)


@pytest.mark.parametrize("version", VERSIONS)
def test_random_bytes_after_connect(join, guard, version):
    """Whatever comes back is a correct packet, and the connection ends."""
    generator = random.Random(version)
    for number in range(scaled(200)):
        client = join(version)
        # A first byte of a known packet type gets further than pure noise.
        first = bytes([generator.choice((0x30, 0x32, 0x34, 0x40, 0x62, 0x82, 0xA2, 0xC0, 0xE0, 0xF0, generator.randint(0, 255)))])
        size = generator.randint(0, 120)
        data = first + bytes([size]) + generator.randbytes(size) + generator.randbytes(generator.randint(0, 300))
        send_what_it_takes(client, data)
        half_close(client)
        read_to_end(client)
        client.close()
        if number % 100 == 0:
            guard.check(growth_mib=16)


def packets_of_a_client(version):
    """One packet of each type a client sends after CONNECT, and the body lengths below its own that are correct too."""
    text = [(wire.USER_PROPERTY, ("k", "v"))] if version == 5 else []
    reason = {"reason": 0, "props": text} if version == 5 else {}
    short = {2, 3} if version == 5 else set()
    packets = [("PUBLISH", wire.publish(version, "a/b", b"", 1, 7, props=text), set()),
               ("PUBACK", wire.ack(version, wire.PUBACK, 7, **reason), short),
               ("PUBREC", wire.ack(version, wire.PUBREC, 7, **reason), short),
               ("PUBREL", wire.ack(version, wire.PUBREL, 7, **reason), short),
               ("PUBCOMP", wire.ack(version, wire.PUBCOMP, 7, **reason), short),
               ("SUBSCRIBE", wire.subscribe(version, 7, [("a/b", 1)], text), set()),
               ("UNSUBSCRIBE", wire.unsubscribe(version, 7, ["a/b"], text), set())]
    if version == 5:
        packets += [("DISCONNECT", wire.disconnect(5, 0, text), {0, 1}),
                    ("AUTH", wire.auth(0x19, [(wire.AUTH_METHOD, "m")]), set())]
    return packets


@pytest.mark.parametrize("version", VERSIONS)
def test_packets_with_a_cut_body(join, guard, version):
    """The length says so, but fields are missing: Malformed Packet or Protocol Error, and the end."""
    for name, packet, correct in packets_of_a_client(version):
        body = packet[2:]
        for length in range(len(body)):
            if length in correct:
                continue
            client = join(version)
            client.send(packet[:1] + bytes([length]) + body[:length])
            try:
                client.expect_closed(*MALFORMED)
            except AssertionError as problem:
                raise AssertionError(f"{name} cut to {length} bytes: {problem}") from problem
    guard.check(growth_mib=16)


@pytest.mark.parametrize("version", VERSIONS)
def test_connect_with_a_cut_body(dial, guard, version):
    """A CONNECT without all its fields: never a CONNACK that accepts."""
    # 3.1 allows user name and password to be missing although the flags announce them.
    user = {} if version == 3 else {"user": "user", "password": "word"}
    packet = wire.connect(version, "someone", will=wire.will("w/t", b"gone", 1), **user)
    body = packet[2:]
    for length in range(len(body)):
        client = dial(version)
        client.send(packet[:1] + bytes([length]) + body[:length])
        half_close(client)
        for answer in read_to_end(client):
            assert answer.kind == wire.CONNACK and answer.reason != 0
        client.close()
    guard.check(growth_mib=16)


@pytest.mark.parametrize("version", VERSIONS)
def test_streams_that_end_inside_a_packet(join, dial, guard, version):
    """Every prefix of every packet, then the end of the stream: the broker closes and answers nothing to the piece."""
    for _, packet, _ in packets_of_a_client(version):
        for length in range(1, len(packet)):
            client = join(version)
            client.send(packet[:length])
            half_close(client)
            for answer in read_to_end(client):
                assert answer.kind == wire.DISCONNECT
            client.close()
    connect = wire.connect(version, "someone")
    for length in range(len(connect)):
        client = dial(version)
        client.send(connect[:length])
        half_close(client)
        assert read_to_end(client) == []
        client.close()


def test_a_connect_that_never_ends(start_broker, name):
    """A byte now and then does not keep a connection open: the time for a whole CONNECT is bounded."""
    broker = start_broker(shards=2, settings={"limits.connect_timeout_ms": 1000})
    guard = Guard(broker, name)
    silent = [socket.create_connection(broker.address) for _ in range(50)]
    trickling = [socket.create_connection(broker.address) for _ in range(50)]
    for sock in silent + trickling:
        sock.setblocking(False)
    bytes_left = iter(wire.connect(4, "x" * 60000))

    def all_closed():
        piece = bytes([next(bytes_left)])
        for sock in trickling:
            try:
                sock.send(piece)
            except OSError:
                pass
        return all(is_closed(sock) for sock in silent + trickling)

    wait_until(all_closed, SECONDS, "the broker closes what does not finish its CONNECT")
    for sock in silent + trickling:
        sock.close()
    guard.finish(growth_mib=16)


@pytest.mark.slow
def test_ten_thousand_half_open_connections(start_broker, name):
    """Connections that never send CONNECT take little memory and nobody's place."""
    broker = start_broker(shards=2, settings={"limits.connect_timeout_ms": "5m"})
    guard = Guard(broker, name)
    count = scaled(10_000)
    connections = []
    for number in range(count):
        connections.append(socket.create_connection(broker.address, timeout=SECONDS))
        if number % 2 == 1:
            connections[-1].send(b"\x10\x30\x00\x04MQTT")  # a CONNECT begun
        if number % 1000 == 0:
            guard.check(growth_mib=64)
    if broker.pid:
        wait_until(lambda: broker.descriptors() >= guard.descriptors + count, SECONDS, "all connections are accepted")
    guard.check(growth_mib=64)
    for sock in connections:
        sock.close()
    guard.finish(growth_mib=64)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_remaining_length_of_256_mib(join, dial, guard, version):
    """Larger than any packet accepted: refused by its header alone."""
    client = join(version)
    client.send(b"\x32\xff\xff\xff\x7f\x00\x03a/b")
    client.expect_closed(0x95)
    client = dial(version)
    client.send(b"\x10\xff\xff\xff\x7f\x00\x04MQTT")
    half_close(client)
    for answer in read_to_end(client):
        assert answer.kind == wire.CONNACK and answer.reason != 0
    guard.check(growth_mib=8)


def test_announced_sizes_are_not_allocated(join, dial, guard):
    """Two hundred clients announce 15 MiB each and send 4 KiB of them."""
    header = b"\x30" + wire.varint(15 << 20) + wire.binary("a/b") + b"\x00"
    clients = [join(5) for _ in range(scaled(200))]
    for client in clients:
        client.send(header + b"x" * 4096)
    beginners = [dial(5) for _ in range(scaled(200))]
    for client in beginners:
        client.send(b"\x10" + wire.varint(15 << 20) + b"\x00\x04MQTT\x05\x02\x00\x00\x00" + b"\xff" * 4096)
    guard.check(growth_mib=64)


def test_remaining_length_of_five_bytes(join, guard):
    client = join(5)
    client.send(b"\x30\xff\xff\xff\xff\x01")
    client.expect_closed(*MALFORMED)
    guard.check(growth_mib=8)


@pytest.mark.parametrize("version", VERSIONS)
def test_topics_of_65535_bytes(join, guard, name, version):
    """The longest topic there is, subscribed to, published to and retained."""
    topic = name + "t" * (65535 - len(name))
    client = join(version)
    client.subscribe(topic, qos=1)
    for _ in range(20):
        packet_id = client.new_id()
        client.send(wire.publish(version, topic, b"x", 1, packet_id))
        got = {packet.kind: packet for packet in (client.receive(), client.receive())}
        assert got[wire.PUBACK].packet_id == packet_id
        assert got[wire.PUBLISH].topic == topic
        client.acknowledge(got[wire.PUBLISH])
    client.unsubscribe(topic)
    guard.check(growth_mib=32)


@pytest.mark.parametrize("shape", ["/", "a/", "+/"])
@pytest.mark.parametrize("version", VERSIONS)
def test_topics_of_30000_levels(join, guard, version, shape):
    """Beyond limits.max_topic_levels: the filter is refused, the message is refused or its connection closed."""
    deep = (shape * 30000)[:-1]
    client = join(version)
    for text in (deep, deep + "/#"):
        packet_id = client.new_id()
        client.send(wire.subscribe(version, packet_id, [(text, 1)]))
        codes = client.expect(wire.SUBACK, packet_id=packet_id).codes
        assert codes == [0x8F if version == 5 else 0x80]
    if shape != "+/":
        client.send(wire.publish(version, deep, b"x", 1, client.new_id()))
        answer = client.receive()
        if answer is not None:
            assert answer.kind in (wire.PUBACK, wire.DISCONNECT) and version == 5 and answer.reason == 0x90
    guard.check(growth_mib=16)


def test_filters_hostile_to_matching(join, guard, name):
    """All 4,096 mixtures of `a` and `+` on twelve levels, with and without `#`: matching stays cheap, one copy arrives."""
    subscriber, publisher = join(5), join(5)
    mixtures = [f"{name}/" + "/".join("+" if bits >> level & 1 else "a" for level in range(12)) for bits in range(4096)]
    for first in range(0, len(mixtures), 512):
        subscriber.subscribe(*[(text + "/#", 1) for text in mixtures[first:first + 512]])
        subscriber.subscribe(*[(text, 0) for text in mixtures[first:first + 512]])
    topic = f"{name}/" + "/".join("a" * 12)
    for number in range(scaled(50)):
        publisher.publish(topic, str(number).encode(), qos=1)
        guard.witness.is_served()
        assert subscriber.take().payload == str(number).encode()
        publisher.publish(topic + "/b", b"deeper", qos=1)
        assert subscriber.take().payload == b"deeper"
    subscriber.barrier()
    guard.check(growth_mib=64)


def test_wildcards_on_every_level(join, guard, name):
    """`+/+/+/.../#` of every depth from many clients."""
    subscribers = [join(5) for _ in range(20)]
    filters = ["/".join([name, "deep"] + ["+"] * depth + ["#"]) for depth in range(1, 120)]
    for client in subscribers:
        client.subscribe(*filters, qos=0)
    publisher = join(5)
    for number in range(scaled(100)):
        publisher.publish("/".join([name, "deep"] + ["x"] * 120), str(number).encode(), qos=1)
    guard.witness.is_served()
    for client in subscribers:
        for number in range(scaled(100)):
            assert client.take().payload == str(number).encode()
        client.barrier()
    guard.check(growth_mib=64)


def test_many_user_properties(join, guard, name):
    """They are the application's: delivered all, in order."""
    client = join(5)
    client.subscribe(name + "/t", qos=1)
    pairs = [(wire.USER_PROPERTY, (f"k{number % 7}", f"v{number}")) for number in range(10_000)]
    packet_id = client.new_id()
    client.send(wire.publish(5, name + "/t", b"x", 1, packet_id, props=pairs))
    got = {packet.kind: packet for packet in (client.receive(), client.receive())}
    assert got[wire.PUBLISH].props == pairs
    client.acknowledge(got[wire.PUBLISH])
    guard.check(growth_mib=64)


def test_a_bomb_of_properties(dial, join, guard, name):
    """Packets that are nothing but millions of empty user properties: served or refused, never multiplied in memory."""
    bomb = wire.prop(wire.USER_PROPERTY, ("", "")) * 2_000_000
    client = join(5)
    for _ in range(4):
        client.send(wire.publish(5, name + "/nobody", b"", 1, client.new_id(), props=bomb))
        answer = client.receive()
        if answer is None or answer.kind == wire.DISCONNECT:
            assert answer is None or answer.reason >= 0x80
            break
        guard.check(growth_mib=256)
    beginner = dial(5)
    send_what_it_takes(beginner, wire.connect(5, name + "bomb", props=bomb))
    answer = beginner.receive()
    assert answer is None or answer.kind == wire.CONNACK
    guard.check(growth_mib=256)


@pytest.mark.parametrize("properties", [
    wire.prop(wire.PAYLOAD_FORMAT, 1) * 100, wire.prop(wire.CONTENT_TYPE, "x") * 2, wire.prop(wire.TOPIC_ALIAS, 1) * 2,
    b"\x7f\x00", b"\x26\x00\x01k", b"\x26\xff\xff", wire.prop(wire.SESSION_EXPIRY, 1), b"\x80", b"\xff\xff\xff\xff\x7f"])
def test_bad_properties(join, guard, name, properties):
    """Twice what may be there once, unknown, cut off, in the wrong packet."""
    client = join(5)
    client.send(wire.publish(5, name, b"x", 1, 1, props=properties))
    client.expect_closed(0x81, 0x82)
    guard.check(growth_mib=8)


def test_property_length_beyond_the_packet(join, guard, name):
    client = join(5)
    client.send(wire.packet(wire.PUBLISH, 2, wire.binary(name) + b"\x00\x01" + b"\xff\xff\xff\x7f" + b"x"))
    client.expect_closed(0x81)
    guard.check(growth_mib=8)


@pytest.mark.parametrize("version", VERSIONS)
def test_second_connect(join, guard, name, version):
    client = join(version)
    client.send(wire.connect(version, name + "again"))
    client.expect_closed(0x82)
    guard.check(growth_mib=8)


@pytest.mark.parametrize("version", VERSIONS)
def test_packets_that_only_a_server_sends(join, guard, version):
    end = b"\x00" if version == 5 else b""
    packets = [b"\x20" + bytes([2 + len(end)]) + b"\x00\x00" + end, b"\xd0\x00", b"\x00\x00",
               b"\x90" + bytes([3 + len(end)]) + b"\x00\x01" + end + b"\x00", b"\xb0" + bytes([2 + len(end)]) + b"\x00\x01" + end]
    for packet in packets if version == 5 else packets + [b"\xf0\x00"]:
        client = join(version)
        client.send(packet)
        client.expect_closed(*MALFORMED)
    guard.check(growth_mib=8)


@pytest.mark.parametrize("version", VERSIONS)
def test_twenty_thousand_filters_in_one_subscribe(join, guard, name, version):
    """Up to limits.max_subscriptions_per_session (10,000) they are granted, the others are refused one by one."""
    client = join(version)
    filters = [(f"{name}/{number}", 1) for number in range(20_000)]
    packet_id = client.new_id()
    client.send(wire.subscribe(version, packet_id, filters))
    codes = client.expect(wire.SUBACK, packet_id=packet_id).codes
    assert codes == [1] * 10_000 + [0x97 if version == 5 else 0x80] * 10_000
    client.send(wire.publish(version, f"{name}/9999", b"in", 0), wire.publish(version, f"{name}/10000", b"out", 0))
    assert client.take().payload == b"in"
    client.barrier()
    guard.check(growth_mib=64)


@pytest.mark.parametrize("polite", [True, False])
def test_half_closed_sockets(join, guard, name, polite):
    """A client that only listens any more: the end of its stream is the end of its connection."""
    for _ in range(scaled(100)):
        client = join(4)
        client.send(wire.subscribe(4, 1, [(name + "/t", 1)]), wire.publish(4, name + "/t", b"x", 0),
                    wire.disconnect(4) if polite else b"")
        half_close(client)
        read_to_end(client)
        client.close()
    guard.check(growth_mib=16)
