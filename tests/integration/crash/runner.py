"""Runs many rounds, a few on each data directory, and reports."""

import asyncio
import collections
import dataclasses
import os
import random
import shutil
import time

from crash import brokers
from crash.liars import Liar
from crash.world import World

ROUNDS_A_FOLDER = 5


@dataclasses.dataclass
class Options:
    rounds: int = 10
    seed: int = 0
    messages: int = 1500     # a round
    kills: int = 3           # at most, a round
    broker: str = "skeinmqd"
    durability: str = "fsync"
    power_cut: bool = False
    lie: type | None = None  # of liars.py
    patience: float = 30.0   # seconds without any progress


@dataclasses.dataclass
class Result:
    """What has been done, and `violations`: the first ones found; a run ends with the first round that has any."""

    options: Options
    rounds: int = 0
    kills: int = 0
    published: int = 0
    delivered: int = 0
    fired: int = 0
    seconds: float = 0.0
    recovery_seconds: list = dataclasses.field(default_factory=list)
    violations: list = dataclasses.field(default_factory=list)
    folder: str = ""  # kept when there are violations

    def kinds(self):
        return collections.Counter(violation.kind for violation in self.violations)

    def summary(self):
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(self.kinds().items())) or "0 violations"
        slowest = max(self.recovery_seconds, default=0.0)
        return (f"seed {self.options.seed}: {self.rounds} rounds, {self.kills} kills, {self.published} messages published, "
                f"{self.delivered} delivered, {self.fired} wills, slowest start {slowest:.2f} s, {self.seconds:.0f} s: {kinds}")

    def add(self, world):
        self.kills += world.kills
        self.recovery_seconds += world.recovery_seconds
        self.published += len(world.history.publishes)
        self.delivered += sum(map(len, world.history.deliveries.values()))
        self.fired += len({firing[:2] for firings in world.history.firings.values() for firing in firings})


def make_broker(options, folder, rng):
    if options.broker == "mosquitto":
        return brokers.Mosquitto(folder)
    broker = brokers.Skein(folder, rng, options.durability, options.power_cut)
    return Liar(broker, options.lie) if options.lie else broker


async def live(options, life, result, say):
    """The rounds on one data directory."""
    rng = random.Random(f"{options.seed}/{life}")
    folder = brokers.make_folder()
    broker = make_broker(options, folder, rng)
    world = World(broker, rng, options)
    try:
        result.violations = await world.begin()
        for _ in range(min(ROUNDS_A_FOLDER, options.rounds - result.rounds)):
            if result.violations:
                break
            result.violations = await world.round()
            result.rounds += 1
            say(f"round {result.rounds}: {world.kills} kills on this folder, {len(world.history.publishes)} messages, "
                f"{len(result.violations)} violations")
        if not result.violations:
            await world.end()
    finally:
        result.add(world)
        broker.end()
        if result.violations or os.environ.get("KEEP_BROKER_FOLDER"):
            result.folder = str(folder)
            write_history(folder, world.history, result.violations)
        else:
            shutil.rmtree(folder, ignore_errors=True)


def write_history(folder, history, violations):
    with open(folder / "violations.txt", "w", encoding="utf-8") as out:
        out.writelines(f"{violation.kind}: {violation.text}\n" for violation in violations)
    with open(folder / "history.txt", "w", encoding="utf-8") as out:
        for subscription in history.subscriptions:
            print(subscription, file=out)
        for message in history.publishes.values():
            print(message, file=out)
        for session, deliveries in history.deliveries.items():
            for delivery in deliveries:
                print(session, delivery, file=out)
        for will in history.wills.values():
            print(will, file=out)
        for session, firings in history.firings.items():
            for firing in firings:
                print(session, firing, file=out)


def run(options, say=print):
    """All rounds, or up to the first with a violation."""
    result, begun, life = Result(options), time.monotonic(), 0
    while result.rounds < options.rounds and not result.violations:
        asyncio.run(live(options, life, result, say))
        life += 1
    result.seconds = time.monotonic() - begun
    return result
