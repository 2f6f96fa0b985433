#!/usr/bin/env python3
"""How long a node with a great many sessions and messages takes to start, and what it needs in memory.

    tests/bench/start.py --bench .../skeinmq-bench --skeinmqd .../skeinmqd [--sessions 1000000] [--messages 10000000]

The sessions subscribe to one of 10,000 topics each and leave; then the messages are published, so that each is in the queues of
some sessions, and one session more gets --deep messages of its own. The broker is killed and started again, without a block
cache; the deep session is drained. Prints one JSON object. Everything it starts it ends, by process id.
"""

import argparse
import json
import os
import pathlib
import selectors
import shutil
import socket
import sys
import tempfile
import time

from offline import Wire, away, connect, packet, publish, skeinmqd, text

TOPICS = 10_000


def make_sessions(port, count, topic_of, at_once=500):
    """Connects, subscribes and leaves, for many clients at a time."""
    selector, number, done = selectors.DefaultSelector(), 0, 0
    while done < count:
        while number < count and len(selector.get_map()) < at_once:
            sock = socket.create_connection(("127.0.0.1", port))
            sock.sendall(connect(f"s-{number}") + packet(0x82, b"\x00\x01" + text(topic_of(number)) + b"\x01"))
            selector.register(sock, selectors.EVENT_READ, [9])  # CONNACK and SUBACK
            number += 1
        for key, _ in selector.select():
            key.data[0] -= len(key.fileobj.recv(64))
            if key.data[0] > 0:
                continue
            key.fileobj.sendall(b"\xe0\x00")
            selector.unregister(key.fileobj)
            key.fileobj.close()
            done += 1


def measure(options, folder):
    topics = min(TOPICS, options.sessions)
    settings = {"storage.block_cache_bytes": "0", "storage.write_buffer_bytes": "64MiB"}
    out = {"sessions": options.sessions}
    broker = skeinmqd(options.skeinmqd, folder, settings)
    try:
        begin = time.monotonic()
        make_sessions(broker.port, options.sessions, lambda number: f"many/{number % topics}")
        out["sessions_per_s"] = options.sessions / (time.monotonic() - begin)
        publishes = options.messages * topics // options.sessions
        report = publish(options, broker, "many", topics, publishes, 64, 16)
        out["messages"] = publishes * options.sessions // topics
        out["enqueues_per_s"] = out["messages"] / report["seconds"]
        away(broker, "deep", 1, lambda number: "deep/0")
        publish(options, broker, "deep", 1, options.deep, 64, 1000)
        out["resident_before_mib"] = broker.resident() >> 20
        broker.stop(kill=True)
        out["disk_mib"] = sum(item.stat().st_size for item in folder.rglob("*") if item.is_file()) >> 20
        broker.start()
        out["seconds_to_listen"] = broker.seconds_to_listen
        out["resident_at_start_mib"] = broker.resident() >> 20
        begin = time.monotonic()
        wire = Wire(broker.port, "deep-0")
        out["seconds_to_connack"] = time.monotonic() - begin
        begin = time.monotonic()
        wire.drain(options.deep)
        out["seconds_to_drain"] = time.monotonic() - begin
        wire.leave()
        out["resident_after_drain_mib"] = broker.resident() >> 20
        out["peak_mib"] = broker.peak() >> 20
        begin = time.monotonic()
        broker.stop()
        out["seconds_to_stop"] = time.monotonic() - begin
        broker.start()
        out["seconds_to_listen_after_stop"] = broker.seconds_to_listen
    finally:
        broker.stop(kill=True)
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", required=True)
    parser.add_argument("--skeinmqd", required=True)
    parser.add_argument("--sessions", type=int, default=1_000_000)
    parser.add_argument("--messages", type=int, default=10_000_000)
    parser.add_argument("--deep", type=int, default=100_000)
    options = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="skeinmq-start-", dir=os.environ.get("TMPDIR", "/var/tmp")))
    try:
        print(json.dumps(measure(options, folder), indent=1))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
