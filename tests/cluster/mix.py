"""Faults drawn from a seed, one after the other, for so many seconds; the command line of tests/cluster.sh."""

import argparse
import asyncio
import dataclasses
import os
import pathlib
import random
import shutil
import signal
import sys
import tempfile
import time

import faults
from crash.runner import write_history
from network import Network, why_not
from nodes import Nodes
from world import ClusterWorld

ROUNDS_A_CLUSTER = 5
FAULTS_A_ROUND = 3
SHOWN = 20


@dataclasses.dataclass
class Options:
    seconds: float = 60.0
    seed: int = 0
    nodes: int = 3
    messages: int = 200      # a second
    patience: float = 60.0   # seconds without any progress


@dataclasses.dataclass
class Result:
    rounds: int = 0
    faults: int = 0
    published: int = 0
    delivered: int = 0
    refused: int = 0
    violations: list = dataclasses.field(default_factory=list)
    folder: str = ""  # kept when there are violations

    def add(self, world):
        self.faults += len(world.faults)
        self.published += len(world.history.publishes)
        self.delivered += sum(map(len, world.history.deliveries.values()))
        self.refused += sum(writer.refused for writer in world.writers)

    def summary(self):
        return (f"{self.rounds} rounds, {self.faults} faults, {self.published} messages published, {self.delivered} delivered, "
                f"{self.refused} refused and published again: {len(self.violations)} violations")


class Life:
    """A cluster and its world on an event loop of their own, for as many rounds as one likes. The thread that makes it is on the
    clients' host until close()."""

    def __init__(self, seed, count=3, messages=200, patience=60.0, settings=None):
        self.seed, self.violations = seed, []
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="skeinmq-cluster-", dir=os.environ.get("CLUSTER_FOLDER")))
        self.network, self.nodes, self.place, self.world = Network(), None, None, None
        self.loop = asyncio.new_event_loop()
        self.names = [f"n{number}" for number in range(count)]
        try:
            self.nodes = Nodes(self.folder, self.network, self.names, members=3 if count <= 3 else 1, settings=settings)
            self.place = self.nodes.clients.entered()
            self.place.__enter__()
            self.world = ClusterWorld(self.nodes, random.Random(f"{seed}/world"), Options(messages=messages, patience=patience))
            self.violations = self.loop.run_until_complete(self.world.begin())
        except BaseException:
            self.close(keep=True)
            raise

    def round(self, *chosen):
        self.violations = self.loop.run_until_complete(self.world.round(chosen))
        return self.violations

    def report(self):
        lines = [f"seed {self.seed}", *self.world.faults, *(f"{each.kind}: {each.text}" for each in self.violations[:SHOWN])]
        return "\n".join([*lines, f"the books, the nodes' logs and their data are in {self.folder}"])

    def close(self, keep=False):
        try:
            if self.world is not None:
                self.loop.run_until_complete(self.world.end())
            if self.place is not None:
                self.place.__exit__(None, None, None)
            if self.nodes is not None:
                self.nodes.stop()
        finally:
            self.network.remove()
            self.loop.run_until_complete(self.loop.shutdown_default_executor())
            self.loop.close()
            if self.violations or keep:
                if self.world is not None:
                    write_history(self.folder, self.world.history, self.violations)
                    (self.folder / "faults.txt").write_text("\n".join(self.world.faults) + "\n", encoding="utf-8")
            else:
                shutil.rmtree(self.folder, ignore_errors=True)


def run(options, say=print):
    """Until the time is over, or up to the first round with a violation."""
    result, number, end = Result(), 0, time.monotonic() + options.seconds
    while time.monotonic() < end and not result.violations:
        rng = random.Random(f"{options.seed}/{number}")
        life = Life(f"{options.seed}/{number}", options.nodes, options.messages, options.patience)
        try:
            for _ in range(ROUNDS_A_CLUSTER):
                if not life.violations and time.monotonic() < end:
                    life.round(*(faults.draw(rng, life.names, "spare") for _ in range(FAULTS_A_ROUND)))
                    result.rounds += 1
                    for text in life.world.faults[-FAULTS_A_ROUND:]:
                        say(f"  {text}")
                    say(f"round {result.rounds}: {len(life.world.history.publishes)} messages on this cluster, "
                        f"{len(life.violations)} violations")
            result.add(life.world)
            result.violations = life.violations
            if result.violations:
                result.folder = str(life.folder)
                say(life.report())
        finally:
            life.close()
        number += 1
    return result


def main():
    parser = argparse.ArgumentParser(prog="cluster.sh", description="Real nodes with networks of their own, and what can go wrong.")
    parser.add_argument("--seconds", type=float, default=600.0, help="default 600")
    parser.add_argument("--seed", type=int, default=None, help="default: a new one, which is printed")
    parser.add_argument("--nodes", type=int, default=3, choices=(3, 5), help="default 3")
    parser.add_argument("--messages", type=int, default=200, help="published a second; default 200")
    parser.add_argument("--patience", type=float, default=60.0, help="seconds without any progress that are too long; default 60")
    options = Options(**vars(parser.parse_args()))
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(1 << 32)
    why = why_not()
    if why:
        print(f"cluster.sh: {why}", file=sys.stderr)
        return 2
    # However it is ended, nothing stays behind.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    print(f"seed {options.seed}", flush=True)
    result = run(options, say=lambda text: print(text, flush=True))
    print(f"seed {options.seed}: {result.summary()}")
    return 1 if result.violations else 0


if __name__ == "__main__":
    sys.exit(main())
