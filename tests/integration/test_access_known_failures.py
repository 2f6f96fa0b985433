"""One test for each class of failure that other brokers have had, named after it. Those about rights and files are in
test_access.py (test_class_...), as is the common ground of both: nothing a stranger does costs more than its connection."""

import socket
import struct
import threading

import pytest

import mqtt_wire as wire
from hostile import SECONDS, Guard, scaled
from mqtt_client import Client
from support.broker import wait_until

MALFORMED = (0x81, 0x82)
MIB = 1 << 20


@pytest.fixture
def guard(broker, name):
    watching = Guard(broker, name)
    yield watching
    watching.finish()


@pytest.fixture
def join(broker):
    made = []

    def make(version=5, client_id="", **fields):
        made.append(Client(broker.address, version).handshake(client_id, **fields))
        return made[-1]

    yield make
    for client in made:
        client.close()


def test_class_leak_by_malformed_connects(broker, guard):
    """Wills and properties that are read before the mistake behind them is seen must not stay behind."""
    will = wire.will("t" * 1000, b"x" * 30_000, props=[(wire.USER_PROPERTY, ("k" * 1000, "v" * 1000))])
    good = wire.connect(5, "leak", user="u" * 1000, password="p" * 1000, will=will)
    twice = wire.connect(5, "leak", will=wire.will("t", b"x" * 30_000, props=[(wire.WILL_DELAY, 1), (wire.WILL_DELAY, 2)]))
    body_at = 3 if good[1] >= 0x80 and good[2] >= 0x80 else 2
    body_at += 1 if good[body_at - 1] >= 0x80 else 0
    short = good[:1] + wire.varint(len(good) - body_at - 500) + good[body_at:-500]  # the password is cut off
    for _ in range(scaled(1000)):
        for bad in (short, twice):
            with socket.create_connection(broker.address, timeout=SECONDS) as sock:
                sock.sendall(bad)
                while sock.recv(4096):
                    pass
    guard.check(growth_mib=8)


def test_class_qos2_duplicate_ids(broker, guard, join):
    """A packet id that comes again is neither delivered again nor kept twice, and is free after PUBCOMP."""
    client, subscriber = join(), join()
    subscriber.subscribe("dup/t", qos=2)
    for round_number in range(3):
        for _ in range(scaled(2000)):
            client.send(wire.publish(5, "dup/t", b"%d" % round_number, 2, 7, dup=False))
        for _ in range(scaled(2000)):
            client.expect(wire.PUBREC, packet_id=7)
        client.send(wire.ack(5, wire.PUBREL, 7))
        client.expect(wire.PUBCOMP, packet_id=7)
        message = subscriber.receive()
        assert message.payload == b"%d" % round_number
        subscriber.acknowledge(message)
    subscriber.barrier()
    guard.check(growth_mib=8)
    # All ids are still there: a leak would run into Receive Maximum.
    for number in range(1, scaled(2000) + 1):
        client.send(wire.publish(5, "nobody", b"", 2, number))
        client.expect(wire.PUBREC, packet_id=number)
        client.send(wire.ack(5, wire.PUBREL, number))
        client.expect(wire.PUBCOMP, packet_id=number)


@pytest.mark.parametrize("field", ["remaining length", "property length"])
def test_class_five_byte_length(join, guard, field):
    client = join()
    if field == "remaining length":
        client.send(b"\x30\x80\x80\x80\x80\x01")
    else:
        client.send(b"\x30\x09\x00\x01t\x80\x80\x80\x80\x01x")
    client.expect_closed(*MALFORMED)
    guard.check(growth_mib=8)


def upgraded(port):
    sock = socket.create_connection(("127.0.0.1", port), timeout=SECONDS)
    sock.sendall(b"GET /mqtt HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: "
                 b"dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n")
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += sock.recv(4096)
    assert answer.startswith(b"HTTP/1.1 101")
    return sock


def frame(data, length=None, first=0x82):
    """A masked frame; `length` is what it says of itself."""
    length = len(data) if length is None else length
    if length < 126:
        head = bytes([first, 0x80 | length])
    elif length < 65536:
        head = bytes([first, 0x80 | 126]) + struct.pack(">H", length)
    else:
        head = bytes([first, 0x80 | 127]) + struct.pack(">Q", length)
    return head + b"\0\0\0\0" + data


@pytest.mark.parametrize("length", [2**63 - 1, 2**63, 2**64 - 1, 2**32 + 14, 300 * MIB])
def test_class_websocket_length_beyond_frame(start_broker, name, length):
    """A length that is not there is neither allocated nor read past, and a packet may not claim more than its connection has."""
    broker = start_broker(shards=2, arguments=["--listen", "ws://127.0.0.1:0?name=ws&max_message_bytes=64MiB"])
    port = int(wait_until(lambda: broker.log().split("url=ws://127.0.0.1:")[1:2], SECONDS, "the listener")[0].split()[0])
    guard = Guard(broker, name)
    for _ in range(scaled(50)):
        with upgraded(port) as sock:
            sock.sendall(frame(wire.connect(5, ""), length))
            got = b""
            while True:
                try:
                    more = sock.recv(4096)
                except ConnectionResetError:
                    break
                if not more:
                    break
                got += more
            assert b"\x20" not in got[:1], "no CONNACK over such a frame"
    with upgraded(port) as sock:  # a packet that is longer than its frame goes on in the next one
        packet = wire.connect(5, "")
        sock.sendall(frame(packet[:5]) + frame(packet[5:]))
        assert sock.recv(4096)[2] == 0x20
    guard.finish(growth_mib=16)


@pytest.mark.parametrize("kind", [wire.CONNACK, wire.SUBACK, wire.UNSUBACK, wire.PINGRESP])
def test_class_server_only_packet(join, guard, kind):
    client = join()
    client.send(wire.packet(kind, 0, b"" if kind == wire.PINGRESP else b"\x00\x01\x00\x00"))
    client.expect_closed(*MALFORMED)
    guard.check(growth_mib=8)


def test_class_empty_topic(broker, guard, join):
    for version in (3, 4, 5):
        client = join(version, "publisher")
        client.send(wire.publish(version, "", b"x", 1, 5))
        client.expect_closed(*MALFORMED, 0x90)
        client = join(version, "subscriber")
        client.send(wire.subscribe(version, 5, [("", wire.options(0))]))
        got = client.receive()
        assert got is None or (got.kind == wire.SUBACK and got.codes[0] >= 0x80) or got.kind == wire.DISCONNECT
    with socket.create_connection(broker.address, timeout=SECONDS) as sock:
        sock.sendall(wire.connect(5, "", will=wire.will("", b"x")))
        assert sock.recv(4096)[3:4] >= b"\x80"
    guard.check(growth_mib=8)


@pytest.mark.parametrize("levels", [129, 10_000, 32_000])
def test_class_deep_topics(join, guard, levels):
    """More levels than limits.max_topic_levels are refused, whatever walks over them."""
    client = join()
    client.send(wire.subscribe(5, 5, [("/" * (levels - 1), wire.options(0)), ("+/" * (levels - 1) + "#", wire.options(0))]))
    assert all(code >= 0x80 for code in client.expect(wire.SUBACK).codes)
    client.send(wire.publish(5, "/" * (levels - 1), b"x", 1, 6, retain=True))
    client.expect_closed(0x90)
    guard.check(growth_mib=16)


def test_class_memory_before_authentication(start_broker, name):
    """What strangers can make the broker keep is bounded by their number times the largest CONNECT."""
    broker = start_broker(shards=2, settings={"limits.max_connect_bytes": "64KiB"})
    guard = Guard(broker, name)
    sockets = []
    for _ in range(scaled(200)):
        sockets.append(socket.create_connection(broker.address, timeout=SECONDS))
        sockets[-1].sendall(b"\x10" + wire.varint(60_000) + b"\x00\x04MQTT\x05\x02\x00\x00\x00" + b"x" * 50_000)
        late = socket.create_connection(broker.address, timeout=SECONDS)
        late.sendall(b"\x10" + wire.varint(10 * MIB) + b"\x00\x04MQTT\x05\x02\x00\x00\x00")
        assert late.recv(1) == b"", "larger than a CONNECT may be"
        late.close()
    guard.check(growth_mib=40)
    for sock in sockets:
        sock.close()
    guard.finish(growth_mib=40)


def test_class_slow_connect(start_broker, name):
    broker = start_broker(shards=2, settings={"limits.connect_timeout_ms": 500})
    guard = Guard(broker, name)
    silent = [socket.create_connection(broker.address, timeout=SECONDS) for _ in range(100)]
    for sock in silent[50:]:
        sock.sendall(wire.connect(5, name)[:-1])
    assert all(sock.recv(1) == b"" for sock in silent)
    for sock in silent:
        sock.close()
    guard.finish(growth_mib=8)


def test_class_slow_reader(broker, guard, join, name):
    """A subscriber that does not read costs max_output_bytes and no more; others are not held up."""
    slow, quick, publisher = join(client_id=name + "slow"), join(), join()
    slow.subscribe(name + "/t", qos=0)
    quick.subscribe(name + "/t", qos=0)
    for _ in range(scaled(200)):
        publisher.publish(name + "/t", b"x" * 60_000, qos=1)
        assert len(quick.receive().payload) == 60_000
    guard.check(growth_mib=16)


def test_class_takeover_races(start_broker, name):
    """Many connections fight for few client ids on four shards: at any time one of them is served, and none is left behind."""
    broker = start_broker(shards=4)
    guard = Guard(broker, name)
    problems = []

    def fight(number):
        try:
            for turn in range(scaled(60)):
                client = Client(broker.address, 5)
                client.send(wire.connect(5, f"{name}id{turn % 4}", clean=turn % 2 == 0,
                                         props=[(wire.SESSION_EXPIRY, 600)] if turn % 3 else (),
                                         will=wire.will(name + "/will", b"w")))
                client.send(wire.subscribe(5, 1, [(name + "/#", wire.options(1)), (f"$share/g/{name}/s", wire.options(1))]))
                client.send(wire.publish(5, name + "/s", b"x", number % 3, 9 if number % 3 else 0))
                if turn % 5 == 0:
                    client.receive()
                client.close()
        except OSError:
            pass  # taken over while it was talking
        except Exception as problem:
            problems.append(problem)

    threads = [threading.Thread(target=fight, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems
    wait_until(lambda: not broker.pid or broker.descriptors() <= guard.descriptors + 1, SECONDS, "only the witness is connected")
    for turn in range(4):
        last = Client(broker.address, 5).handshake(f"{name}id{turn}", clean=True)
        last.barrier()
        last.close()
    guard.finish(growth_mib=48)
