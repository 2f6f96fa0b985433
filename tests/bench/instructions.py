#!/usr/bin/env python3
"""Instructions that one message costs a shard, as valgrind counts them: about the same on any machine, however busy it is.

    tests/bench/instructions.py build/release/cmd/skeinmqd/skeinmqd [OTHER/skeinmqd ...]

One client publishes to a topic that it has subscribed to, in batches of which it awaits all before the next. Counted is the thread
of the shard alone, between a first batch and the last. With several programs each is compared with the first: the cost of a
change. Needs valgrind (deploy/deps.sh install bench).

valgrind sees nothing of the kernel. With --cpu the same is measured without it, as CPU time of the whole process, kernel included:
medians of ROUNDS rounds in which the programs take turns. That depends on the machine, and on what else it does.
"""

import argparse
import pathlib
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "conformance")]

import mqtt_wire as wire  # noqa: E402
from mqtt_client import Client  # noqa: E402
from support.broker import accepts, free_port, wait_until  # noqa: E402

PAYLOAD = b"x" * 64
MESSAGES = 5_000
ROUNDS = 7
SCENARIOS = [(qos, batch) for qos in (0, 1) for batch in (1, 50)]
PATIENCE = 900


class Running:
    """A broker with one shard; nothing is written to disk."""

    def __init__(self, program, launcher=()):
        self.address = ("127.0.0.1", free_port())
        keys = subprocess.run([program, "--print-keys"], capture_output=True, text=True, check=True).stdout
        silent = ["--set", "sys.interval=0"] if "sys.interval" in keys else []
        self.process = subprocess.Popen(
            [*launcher, program, "--shards", "1", "--listen", f"tcp://127.0.0.1:{self.address[1]}", "--admin-listen", "", *silent],
            stderr=subprocess.DEVNULL)
        wait_until(lambda: accepts(self.address), PATIENCE, "it listens")

    def client(self, qos, batch):
        """Connected and subscribed; a first batch is over."""
        client = Client(self.address, 4).handshake("bench")
        client.subscribe("bench/topic", qos=qos)
        talk(client, qos, batch, batch)
        return client

    def cpu_micros(self):
        """CPU time of all threads so far, in the kernel too."""
        tasks = pathlib.Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1_000

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE)


class Counted(Running):
    """The same under callgrind."""

    def __init__(self, program, folder):
        self.folder = pathlib.Path(folder)
        super().__init__(program, ["valgrind", "--tool=callgrind", "--separate-threads=yes", f"--callgrind-out-file={folder}/out",
                                   f"--log-file={folder}/log"])

    def dump(self):
        """What each thread has done since the last time; the busiest one's."""
        before = set(self.folder.glob("out*"))
        subprocess.run(["callgrind_control", "--dump", str(self.process.pid)], check=True, capture_output=True, timeout=PATIENCE)

        def totals():
            found = [re.search(r"^(?:summary|totals): (\d+)", file.read_text(), re.M) for file in set(self.folder.glob("out*")) - before]
            return [int(each.group(1)) for each in found if each]
        return max(wait_until(totals, PATIENCE, "a dump"))


def talk(client, qos, batch, count):
    """Publishes, awaits the deliveries and all acknowledgements."""
    for _ in range(max(1, count // batch)):
        client.send(*[wire.publish(4, "bench/topic", PAYLOAD, qos, number + 1 if qos else 0) for number in range(batch)])
        deliveries, acknowledgements, answers = 0, 0, []
        while deliveries < batch or acknowledgements < (batch if qos else 0):
            got = client.receive()
            if got.kind == wire.PUBLISH:
                deliveries += 1
                if qos:
                    answers.append(wire.ack(4, wire.PUBACK, got.packet_id))
            else:
                acknowledgements += 1
        # In one piece, else it depends on the machine how many the broker reads at once.
        client.send(*answers, wire.pingreq())
        client.receive()


def measure(program):
    """Instructions a message, by scenario."""
    costs = {}
    with tempfile.TemporaryDirectory() as folder:
        broker = Counted(program, folder)
        try:
            for qos, batch in SCENARIOS:
                client = broker.client(qos, batch)
                broker.dump()
                talk(client, qos, batch, MESSAGES)
                costs[qos, batch] = broker.dump() / MESSAGES
                client.disconnect()
        finally:
            broker.stop()
    return costs


def measure_cpu(programs):
    """For each program microseconds of CPU a message, by scenario."""
    brokers = [Running(program) for program in programs]
    costs = [{} for _ in programs]
    try:
        for qos, batch in SCENARIOS:
            clients = [broker.client(qos, batch) for broker in brokers]
            found = [[] for _ in programs]
            for _ in range(ROUNDS):
                for broker, client, mine in zip(brokers, clients, found):
                    before = broker.cpu_micros()
                    talk(client, qos, batch, MESSAGES)
                    mine.append((broker.cpu_micros() - before) / MESSAGES)
            for cost, mine, client in zip(costs, found, clients):
                cost[qos, batch] = statistics.median(mine)
                client.disconnect()
    finally:
        for broker in brokers:
            broker.stop()
    return costs


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", nargs="+")
    parser.add_argument("--cpu", action="store_true", help="CPU time, kernel included, instead of instructions")
    arguments = parser.parse_args()
    socket.setdefaulttimeout(PATIENCE)
    all_costs = measure_cpu(arguments.program) if arguments.cpu else [measure(program) for program in arguments.program]
    print("| | " + " | ".join(arguments.program) + " |\n|" + " --- |" * (len(arguments.program) + 1))
    for qos, batch in SCENARIOS:
        first = all_costs[0][qos, batch]
        unit = "{:,.2f} us" if arguments.cpu else "{:,.0f}"
        shown = [f"{unit.format(costs[qos, batch])} ({100 * (costs[qos, batch] / first - 1):+.2f} %)" for costs in all_costs]
        print(f"| QoS {qos}, {batch} at a time | " + " | ".join(shown) + " |")


if __name__ == "__main__":
    main()
