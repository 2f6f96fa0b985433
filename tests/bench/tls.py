#!/usr/bin/python3
"""What TLS costs the broker, against Debian's mosquitto in the same run.

    tests/bench/tls.py --skeinmqd .../skeinmqd [--connections 3000] [--messages 100000] [--json FILE]

CPU time of a handshake (TLS 1.3, P-256, no client certificate); memory of a connection that is idle, fresh and after a PINGREQ; CPU
time a QoS 0 message of 100 bytes from one client to one other, each message in a TLS record of its own ("one a record") and as many
as fit ("many a record"). The brokers take turns; the generator runs on the other core. Everything it starts it ends, by process id.
"""

import argparse
import json
import os
import pathlib
import resource
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS / "conformance"), str(TESTS / "integration")]
from secure import Certificates  # noqa: E402
from support.broker import free_port  # noqa: E402

PAYLOAD = 100
WINDOW = 500


class Broker:
    def __init__(self, name, command, port):
        self.name, self.port = name, port
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        preexec_fn=lambda: os.sched_setaffinity(0, {0}))
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return
            except OSError:
                assert self.process.poll() is None and time.monotonic() < deadline, f"{name} does not start"
                time.sleep(0.02)

    def cpu(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in fields) / 1e9

    def resident(self):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("no VmRSS")

    def stop(self):
        self.process.terminate()
        self.process.wait(20)


def connect(broker, context, client_id):
    raw = socket.create_connection(("127.0.0.1", broker.port))
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    made = context.wrap_socket(raw, server_hostname="localhost")
    name = client_id.encode()
    body = b"\x00\x04MQTT\x04\x02\x00\x00" + struct.pack(">H", len(name)) + name
    made.sendall(bytes([0x10, len(body)]) + body)
    assert made.recv(4) == b"\x20\x02\x00\x00"
    return made


def idle(broker, context, count):
    warm = [connect(broker, context, f"w{i}") for i in range(100)]
    before, cpu = broker.resident(), broker.cpu()
    clients = [connect(broker, context, f"c{i}") for i in range(count)]
    handshake = (broker.cpu() - cpu) / count
    fresh = (broker.resident() - before) / count
    for client in clients:  # in turn: what a burst leaves in a broker's pools belongs to no connection
        client.sendall(b"\xc0\x00")
        assert client.recv(2) == b"\xd0\x00"
    pinged = (broker.resident() - before) / count
    for client in clients + warm:
        client.close()
    return {"handshake CPU, ms": handshake * 1e3, "idle connection, bytes": fresh, "after a PINGREQ, bytes": pinged}


def traffic(broker, context, count, many):
    publisher, subscriber = connect(broker, context, "publisher"), connect(broker, context, "subscriber")
    subscriber.sendall(b"\x82\x06\x00\x01\x00\x01t\x00")
    assert subscriber.recv(5)[0] == 0x90
    message = bytes([0x30, 3 + PAYLOAD]) + b"\x00\x01t" + b"x" * PAYLOAD
    received, room = [0], threading.Semaphore(WINDOW)

    def read():
        while received[0] < count * len(message):
            got = len(subscriber.recv(65536))
            assert got, "the broker hung up"
            whole = received[0] // len(message)
            received[0] += got
            room.release(received[0] // len(message) - whole) if received[0] // len(message) > whole else None

    reader = threading.Thread(target=read)
    reader.start()
    cpu = broker.cpu()
    batch = 100 if many else 1
    for _ in range(0, count, batch):
        for _ in range(batch):
            room.acquire()
        publisher.sendall(message * batch)
    reader.join()
    used = (broker.cpu() - cpu) / count
    publisher.close()
    subscriber.close()
    return used * 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--skeinmqd", default=os.environ.get("SKEINMQD"), required="SKEINMQD" not in os.environ)
    parser.add_argument("--mosquitto", default="/usr/sbin/mosquitto")
    parser.add_argument("--connections", type=int, default=3000)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json")
    options = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    os.sched_setaffinity(0, {os.cpu_count() - 1})
    results = {"skeinmqd": [], "mosquitto": []}
    with tempfile.TemporaryDirectory(prefix="skeinmq-tls-") as folder:
        certificates = Certificates(folder)
        cert, key = certificates.files("server")
        context = ssl.create_default_context(cafile=certificates.ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        for _ in range(options.rounds):
            for name in results:
                port = free_port()
                if name == "mosquitto":
                    config = pathlib.Path(folder) / "mosquitto.conf"
                    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\ncertfile {cert}\nkeyfile {key}\n"
                                      "user root\nmax_queued_messages 0\nlog_type error\n")
                    command = [options.mosquitto, "-c", str(config)]
                else:
                    command = [options.skeinmqd, "--shards", "1", "--set", "log.level=error", "--set", "admin.listen=", "--listen",
                               f"tls://127.0.0.1:{port}?cert_file={cert}&key_file={key}"]
                broker = Broker(name, command, port)
                try:
                    row = idle(broker, context, options.connections)
                    row["a message, one a record, CPU us"] = traffic(broker, context, options.messages, False)
                    row["a message, many a record, CPU us"] = traffic(broker, context, options.messages, True)
                finally:
                    broker.stop()
                results[name].append(row)
    table = {}
    for what in results["skeinmqd"][0]:
        middle = {name: sorted(row[what] for row in rows)[len(rows) // 2] for name, rows in results.items()}
        table[what] = {**middle, "ratio": middle["skeinmqd"] / middle["mosquitto"]}
        print(f"{what:36} skeinmqd {middle['skeinmqd']:10.2f}   mosquitto {middle['mosquitto']:10.2f}   ratio "
              f"{table[what]['ratio']:.2f}")
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(table, indent=1))


if __name__ == "__main__":
    main()
