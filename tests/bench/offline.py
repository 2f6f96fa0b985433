#!/usr/bin/env python3
"""Durable sessions that are away: what it costs to keep their messages and to hand them over.

    tests/bench/offline.py --bench .../skeinmq-bench --skeinmqd .../skeinmqd [--quick]

Runs on loopback, beside Debian's mosquitto with persistence on, and beside the disk's own fdatasync rate, all in one run: only
ratios travel from one machine to another. mosquitto acknowledges from memory; what it has not saved is lost when it is killed.
Prints a table and one JSON object. Everything it starts it ends, by process id.
"""

import argparse
import json
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from support.broker import free_port  # noqa: E402


def text(value):
    data = value.encode()
    return struct.pack(">H", len(data)) + data


def packet(first, body):
    length, out = len(body), bytearray([first])
    while True:
        length, digit = divmod(length, 128)
        out.append(digit | (0x80 if length else 0))
        if not length:
            return bytes(out) + body


def connect(client_id):
    return packet(0x10, text("MQTT") + bytes([4, 0, 0, 0]) + text(client_id))


class Wire:
    """A blocking MQTT 3.1.1 connection of a durable session."""

    def __init__(self, port, client_id):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=120)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.sendall(connect(client_id))
        self.buffer = b""
        self.exactly(4)

    def exactly(self, count):
        while len(self.buffer) < count:
            data = self.sock.recv(1 << 18)
            if not data:
                raise ConnectionError("closed")
            self.buffer += data
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def subscribe(self, topic):
        self.sock.sendall(packet(0x82, b"\x00\x01" + text(topic) + b"\x01"))
        self.exactly(5)

    def leave(self):
        self.sock.sendall(b"\xe0\x00")
        self.sock.close()

    def drain(self, count):
        """Takes and acknowledges `count` QoS 1 messages of one size; returns the time of each thousandth."""
        marks, taken = [], 0
        head = self.exactly(5)
        length, shift, used = 0, 0, 1
        while True:
            length |= (head[used] & 0x7F) << shift
            shift, used = shift + 7, used + 1
            if head[used - 1] < 0x80:
                break
        size = used + length
        topic = struct.unpack(">H", (head + self.buffer)[used : used + 2])[0] if used + 2 <= 5 + len(self.buffer) else 0
        at = used + 2 + topic
        self.buffer = head + self.buffer
        while taken < count:
            whole = len(self.buffer) // size
            if whole == 0:
                data = self.sock.recv(1 << 18)
                if not data:
                    raise ConnectionError("closed")
                self.buffer += data
                continue
            whole = min(whole, count - taken)
            view = self.buffer
            acks = b"".join(b"\x40\x02" + view[i * size + at : i * size + at + 2] for i in range(whole))
            self.sock.sendall(acks)
            self.buffer = view[whole * size :]
            before, taken = taken, taken + whole
            if taken // 1000 > before // 1000:
                marks.append((taken, time.monotonic()))
        return marks


class Broker:
    def __init__(self, name, command, folder, port):
        self.name, self.folder, self.port = name, folder, port
        self.command = command
        self.start()

    def start(self):
        self.started = time.monotonic()
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                break
            except OSError:
                if self.process.poll() is not None or time.monotonic() - self.started > 600:
                    raise RuntimeError(f"{self.name} did not start")
                time.sleep(0.01)
        self.seconds_to_listen = time.monotonic() - self.started

    def written(self):
        for line in open(f"/proc/{self.process.pid}/io"):
            if line.startswith("write_bytes:"):
                return int(line.split()[1])
        return 0

    def resident(self):
        for line in open(f"/proc/{self.process.pid}/status"):
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        return 0

    def peak(self):
        for line in open(f"/proc/{self.process.pid}/status"):
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        return 0

    def cpu(self):
        fields = open(f"/proc/{self.process.pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self, kill=False):
        self.process.kill() if kill else self.process.terminate()
        self.process.wait(timeout=300)


def skeinmqd(program, folder, settings=()):
    port = free_port()
    command = [program, "--listen", f"tcp://127.0.0.1:{port}", "--data-dir", str(folder / "skein"), "--set", "log.level=error",
               "--set", "admin.listen="]
    wanted = {"limits.max_queued_messages": 100_000_000, "limits.max_queued_bytes": "1024GiB",
              "limits.max_total_queued_bytes": "1024GiB", "storage.write_buffer_bytes": "192MiB", **dict(settings)}
    for key, value in wanted.items():
        command += ["--set", f"{key}={value}"]
    return Broker("skeinmqd", command, folder, port)


def mosquitto(folder):
    port = free_port()
    (folder / "mosquitto").mkdir()
    config = folder / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence true\n"
                      f"persistence_location {folder}/mosquitto/\nmax_queued_messages 0\nuser root\n")
    return Broker("mosquitto", [shutil.which("mosquitto") or "/usr/sbin/mosquitto", "-c", str(config)], folder, port)


def fdatasyncs(folder, seconds=2.0):
    """How often a second this disk writes and syncs 4 KiB."""
    fd = os.open(folder / "probe", os.O_CREAT | os.O_WRONLY)
    block, count, end = b"x" * 4096, 0, time.monotonic() + seconds
    while time.monotonic() < end:
        os.write(fd, block)
        os.fdatasync(fd)
        count += 1
    os.close(fd)
    return count / seconds


def away(broker, prefix, sessions, topic_of):
    for number in range(sessions):
        wire = Wire(broker.port, f"{prefix}-{number}")
        wire.subscribe(topic_of(number))
        wire.leave()


def publish(options, broker, topic, publishers, count, size, window):
    """`count` QoS 1 messages by `publishers` to topic/0, topic/1 ...; the generator's own report."""
    before, written = broker.cpu(), broker.written()
    run = subprocess.run([options.bench, "pub", "--port", str(broker.port), "--clients", str(publishers), "--qos", "1", "--size", str(size),
                          "--count", str(count), "--window", str(window), "--warmup", "0", "--seconds", "600", "--stall-seconds", "60",
                          "--topic", topic, "--json"], capture_output=True, text=True)
    if run.returncode != 0:
        raise RuntimeError(run.stderr + run.stdout)
    report = json.loads(run.stdout)
    report["broker_cpu_us"] = (broker.cpu() - before) / count * 1e6
    report["disk_bytes"] = (broker.written() - written) / count
    return report


def rate(report):
    return report["acknowledged"] / report["seconds"]


def bench_offline(options, broker, out):
    """QoS 1 to 1,000 offline sessions, 100 and more messages each, and one of them drained."""
    away(broker, "off", 1000, lambda number: f"off/{number}")
    report = publish(options, broker, "off", 1000, options.messages, 64, 16)
    out["offline_rate"] = rate(report)
    out["offline_cpu_us"] = report["broker_cpu_us"]
    out["offline_disk_bytes"] = report["disk_bytes"]
    per_session = options.messages // 1000 * 3 // 4  # shards do not serve their publishers at one pace
    begin, drained = time.monotonic(), 0
    for number in range(20):
        wire = Wire(broker.port, f"off-{number}")
        wire.drain(per_session)
        wire.leave()
        drained += per_session
    out["offline_drain_rate"] = drained / (time.monotonic() - begin)


def bench_fanout(options, broker, out):
    sessions = 2000 if options.quick else 10_000
    away(broker, "fan", sessions, lambda number: "fan/0")
    count = 20
    report = publish(options, broker, "fan", 1, count, 1024, 4)
    out["fanout_sessions"] = sessions
    out["fanout_enqueues_per_s"] = rate(report) * sessions
    out["fanout_disk_bytes_per_enqueue"] = report["disk_bytes"] / sessions


def bench_publishers(options, broker, out):
    """One to 1,000 publishers, each with one message outstanding, into one offline session each."""
    away(broker, "one", 1000, lambda number: f"one/{number}")
    for publishers, count in ((1, 2000), (100, 50_000), (1000, 100_000)):
        report = publish(options, broker, "one", publishers, count // (4 if options.quick else 1), 64, 1)
        out[f"publishers_{publishers}_rate"] = rate(report)
        out[f"publishers_{publishers}_latency_us"] = report["latency_us"]


def bench_depth(options, broker, out):
    """Time a message while a queue of 1,000 and one of many is drained."""
    for depth in (1000, options.deep):
        name = f"deep{depth}"
        away(broker, name, 1, lambda number: f"{name}/0")
        publish(options, broker, name, 1, depth, 64, 1000)
        wire = Wire(broker.port, f"{name}-0")
        begin = time.monotonic()
        wire.drain(depth)
        out[f"drain_us_at_{depth}"] = (time.monotonic() - begin) / depth * 1e6
        wire.leave()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", required=True)
    parser.add_argument("--skeinmqd", required=True)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--deep", type=int, default=1_000_000)
    parser.add_argument("--quick", action="store_true", help="a tenth of everything")
    parser.add_argument("--parts", default="offline,fanout,publishers,depth")
    options = parser.parse_args()
    if options.quick:
        options.messages, options.deep = options.messages // 10, options.deep // 10
    folder = pathlib.Path(tempfile.mkdtemp(prefix="skeinmq-offline-", dir=os.environ.get("TMPDIR", "/var/tmp")))
    results = {"fdatasyncs_per_s": fdatasyncs(folder)}
    try:
        for start in (lambda: skeinmqd(options.skeinmqd, folder), lambda: mosquitto(folder)):
            broker = start()
            out = results.setdefault(broker.name, {})
            try:
                for part in options.parts.split(","):
                    globals()[f"bench_{part}"](options, broker, out)
                out["resident_mib"] = broker.resident() / (1 << 20)
            finally:
                broker.stop(kill=True)
            if broker.name == "skeinmqd":
                broker.start()
                out["restart_after_kill_s"] = broker.seconds_to_listen
                broker.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for key in results["skeinmqd"]:
        print(f"{key:36} {results['skeinmqd'][key]!s:28} mosquitto {results['mosquitto'].get(key)}")
    print(json.dumps(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
