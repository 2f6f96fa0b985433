#!/usr/bin/env python3
"""How long it takes until all clients are served again when a pod goes: stopped as Kubernetes does it, and with its machine.

    SKEINMQD=... tests/helm/pod_loss.py [--clients 2000] [--json FILE]

Needs root and tests/helm/setup.sh. The pods are those that the chart renders (see README.md). Each client has a durable session and a topic
of its own; publishers send to all of them in turn at QoS 1, and go on until they are acknowledged. A client that is sent away comes again
at once, to any pod that is ready. Printed for each way: how many clients lost their connection, how long they were without one, when all
were served again, and how many acknowledged messages did not arrive (exit code 1 if any).
"""

import argparse
import asyncio
import contextlib
import json
import pathlib
import random
import sys
import tempfile
import threading
import time

import conftest  # noqa: F401  (puts the other folders on the path)
import mqtt_wire as wire
from chart import render
from kubelet import Kubernetes
from mqtt_client import DEADLINE
from release import BROKER, ETCD, Cluster
from support.broker import wait_until

LASTING = [(wire.SESSION_EXPIRY, 3600)]
PUBLISHERS, PAUSE = 8, 0.01


async def read_packet(reader):
    first = (await reader.readexactly(1))[0]
    length, shift = 0, 0
    while True:
        byte = (await reader.readexactly(1))[0]
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return wire.decode(5, first, await reader.readexactly(length))


class Client:
    """Comes again whenever it is sent away."""

    def __init__(self, crowd, name):
        self.crowd, self.name, self.writer, self.lost_at, self.away = crowd, name, None, None, []

    async def live(self):
        while not self.crowd.over:
            try:
                host, port = random.choice(self.crowd.addresses())
                reader, self.writer = await asyncio.wait_for(asyncio.open_connection(host, port), 3)
                self.writer.write(wire.connect(5, self.name, clean=False, props=LASTING, **self.crowd.credentials))
                answer = await asyncio.wait_for(read_packet(reader), 10)
                if answer.kind == wire.CONNACK and answer.reason == 0:
                    if self.lost_at is not None:
                        self.away.append(time.monotonic() - self.lost_at)
                        self.lost_at = None
                    await self.serve(reader)
            except (OSError, IndexError, AssertionError, asyncio.TimeoutError, asyncio.IncompleteReadError):
                pass
            if self.lost_at is None:
                self.lost_at = time.monotonic()
            if self.writer:
                self.writer.close()
            await asyncio.sleep(random.uniform(0.05, 0.15))


class Subscriber(Client):
    def __init__(self, crowd, number):
        super().__init__(crowd, f"device-{number}")
        self.number, self.got, self.subscribed = number, set(), False

    async def serve(self, reader):
        if not self.subscribed:
            self.writer.write(wire.subscribe(5, 1, [(f"to/{self.number}", 1)]))
        while True:
            packet = await read_packet(reader)
            if packet.kind == wire.SUBACK:
                self.subscribed = True
            elif packet.kind == wire.PUBLISH:
                self.got.add(int(packet.payload))
                self.writer.write(wire.ack(5, wire.PUBACK, packet.packet_id))
            elif packet.kind == wire.DISCONNECT:
                return


class Publisher(Client):
    def __init__(self, crowd, number):
        super().__init__(crowd, f"publisher-{number}")
        self.number, self.count, self.waiting = number, 0, None

    async def serve(self, reader):
        while not self.crowd.quiet:
            if self.waiting is None:
                self.count += 1
                self.waiting = (self.number + self.count * PUBLISHERS) % len(self.crowd.subscribers)
            value = self.count * PUBLISHERS + self.number
            self.writer.write(wire.publish(5, f"to/{self.waiting}", b"%d" % value, qos=1, packet_id=1))
            packet = await asyncio.wait_for(read_packet(reader), 60)
            if packet.kind != wire.PUBACK:
                return
            if packet.reason in (0, 0x10):
                self.crowd.acknowledged.append((self.waiting, value))
                self.waiting = None
            await asyncio.sleep(PAUSE)
        await asyncio.sleep(3600)


class Crowd(threading.Thread):
    def __init__(self, cluster, count):
        super().__init__(daemon=True)
        self.cluster, self.credentials = cluster, cluster.credentials
        self.over, self.quiet, self.acknowledged = False, False, []
        self.subscribers = [Subscriber(self, number) for number in range(count)]
        self.publishers = [Publisher(self, number) for number in range(PUBLISHERS)]

    def addresses(self):
        return [pod.address for pod in self.cluster.nodes.values()]

    def run(self):
        asyncio.run(self.live())

    async def live(self):
        tasks = [asyncio.create_task(each.live()) for each in self.subscribers]
        while not all(each.subscribed for each in self.subscribers):
            await asyncio.sleep(0.1)
        tasks += [asyncio.create_task(each.live()) for each in self.publishers]
        while not self.over:
            await asyncio.sleep(0.1)
        for task in tasks:
            task.cancel()

    def served(self):
        return all(each.lost_at is None for each in (*self.subscribers, *self.publishers))

    def missing(self):
        return sum(value not in self.subscribers[number].got for number, value in self.acknowledged)


def lose(world, cluster, crowd, how):
    """One pod goes and comes back. Returns what clients saw."""
    for each in crowd.subscribers:
        each.away.clear()
    pod = world.pods[f"{BROKER}-1"]
    begun, before = time.monotonic(), len(crowd.acknowledged)
    pod.killed = how == "machine"
    world.replace(pod, 4 * DEADLINE)
    back = time.monotonic() - begun
    wait_until(crowd.served, 4 * DEADLINE, "all clients are served")
    served = time.monotonic() - begun
    cluster.wait_shared(3)
    wait_until(crowd.served, 4 * DEADLINE, "all clients are served when the partitions are back")
    away = sorted(longest for each in crowd.subscribers for longest in each.away[:1])
    return {"how": how, "clients_sent_away": len(away), "without_connection_p50_seconds": round(away[len(away) // 2], 2) if away else 0,
            "without_connection_most_seconds": round(away[-1], 2) if away else 0, "pod_back_seconds": round(back, 1),
            "all_served_seconds": round(served, 1), "acknowledged_meanwhile": len(crowd.acknowledged) - before}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=2000)
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    world = Kubernetes(pathlib.Path(tempfile.mkdtemp(prefix="skeinmq-pod-")), render("--set", "minReadySeconds=0"))
    try:
        with world.clients.entered():
            world.scale(ETCD)
            world.scale(BROKER)
            world.wait_ready(BROKER, 2 * DEADLINE)
            cluster = Cluster(world)
            cluster.wait_shared(3)
            crowd = Crowd(cluster, options.clients)
            crowd.start()
            wait_until(lambda: len(crowd.acknowledged) > 100, 4 * DEADLINE, "messages flow")
            results = [lose(world, cluster, crowd, how) for how in ("stopped", "machine")]
            crowd.quiet = True
            with contextlib.suppress(AssertionError):  # what is missing then is counted
                wait_until(lambda: crowd.missing() == 0, 2 * DEADLINE, "all that was acknowledged has arrived")
            lost = crowd.missing()
            crowd.over = True
            crowd.join(10)
    finally:
        world.stop()
    for result in results:
        print(json.dumps(result))
    print(f"{len(crowd.acknowledged)} messages acknowledged, {lost} of them lost")
    if options.json:
        options.json.write_text(json.dumps({"clients": options.clients, "runs": results, "lost": lost}))
    return int(lost > 0)


if __name__ == "__main__":
    sys.exit(main())
