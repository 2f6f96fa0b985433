"""The crash test's world around a cluster: the same clients, books and checker, other faults.

A round: a load that does not end, one fault after the other (faults.py), each healed before the next; after each, every publisher must be
answered again. Then the load ends, everybody comes home and receives what is left, what is retained is compared on all
nodes, and the books are checked.
"""

import asyncio
import time

import clients
from crash import plan
from crash.checker import SHARED, check, check_retained, overdue_wills
from crash.world import Stuck, World

CROWD = 12
FEED_SECONDS = 0.05
BACKLOG = 40  # messages that wait at a publisher: more are not drawn
LOOK_SECONDS = 0.5


def judge(history, drained=True):
    """All violations of what is promised today. Not drained: a subscription whose SUBACK has not come is not in the books, what came by it
    is. A QoS 2 message to a shared group that is sent again because a node went away may be given to another member than the first
    time: who it was is known to that node alone."""
    return [each for each in check(history, drained)
            if (drained or each.kind not in ("strange", "unsubscribed"))
            and not (each.kind == "duplicate" and each.text.startswith(SHARED))]


class ClusterWorld(World):
    """`broker` is nodes.Nodes. `options.messages`: so many a second."""

    def __init__(self, nodes, rng, options):
        super().__init__(nodes, rng, options)
        self.calm = True  # nothing is wrong, and nothing was that has not healed
        self.formers = set()
        self.forgotten = set()  # clients whose session may be gone
        self.forgot = 0         # sessions that were
        self.faults = []  # what was done, for whoever reads a violation
        self.up.set()

    def make_clients(self, rng):
        self.publishers = plan.make_publishers(self, rng, clients.ClusterPublisher)
        self.retainers = plan.make_retainers(self, rng, clients.ClusterPublisher)
        self.fencer = clients.ClusterPublisher(self, "fencer", 5, 1, True)
        self.subscribers = plan.make_subscribers(self, rng, clients.ClusterSubscriber, CROWD)
        self.will_clients = plan.make_will_clients(self, rng, clients.ClusterWillClient)

    def next_address(self):
        return self.rng.choice(self.broker.addresses())

    def may_forget(self, name):
        """Once for each node that was replaced."""
        if name not in self.forgotten:
            return False
        self.forgotten.discard(name)
        self.forgot += 1
        return True

    # --- life ------------------------------------------------------------------------------------------------------------

    async def start_broker(self):
        """It runs already."""

    async def begin(self):
        self.watch = self.spawn(self.look())
        return await super().begin()

    async def look(self):
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            now = time.monotonic()
            for client in self.clients:
                client.look(now)

    async def end(self):
        self.watch.cancel()
        for client in self.clients:
            if client.task:
                client.task.cancel()
            client.offline()
        await asyncio.gather(self.watch, *(client.task for client in self.clients if client.task), return_exceptions=True)

    # --- a round ---------------------------------------------------------------------------------------------------------

    async def round(self, faults):
        """Faults are functions of the world. Returns the violations."""
        try:
            await self.play(faults)
        except Stuck as stuck:
            self.history.problem("stuck", str(stuck))
        except AssertionError as error:
            self.history.problem("broker", str(error))
            return judge(self.history, drained=False)
        return judge(self.history)

    async def play(self, faults):
        self.draining.clear()
        moods = [self.spawn(self.moody(subscriber)) for subscriber in self.subscribers]
        moods += [self.spawn(self.restless(publisher)) for publisher in self.publishers if publisher.restless]
        moods += [self.spawn(client.live()) for client in self.will_clients]
        feed = self.spawn(self.feed())
        try:
            await self.answered()
            for fault in faults:
                await self.suffer(fault)
            feed.cancel()
            await self.work(moods)
            await self.until(lambda: not self.formers, "the old connections of clients that came anew are closed")
            await self.converge()
            self.forgotten.clear()
        finally:
            self.draining.set()
            for task in (*moods, feed):
                task.cancel()
            await asyncio.gather(*moods, feed, return_exceptions=True)

    async def feed(self):
        """Draws messages, so many a second, for as long as it is let."""
        due, writers = 0.0, [*self.publishers, *self.publishers, *self.retainers]
        while True:
            await asyncio.sleep(FEED_SECONDS)
            due += self.options.messages * FEED_SECONDS
            while due >= 1:
                due -= 1
                writer = self.rng.choice(writers)
                if len(writer.plan) >= BACKLOG:
                    continue
                if writer in self.retainers:
                    writer.plan.extend(plan.draw_retained(self.rng, writer.name, 1))
                else:
                    writer.plan.extend(plan.draw_items(self.rng, writer.topics, 1))
                writer.pump()

    async def suffer(self, fault):
        self.calm = False
        for client, number in set().union(*overdue_wills(self.history).values()):
            self.history.wills[client, number].fate = "may"  # it may be published to a node that is away
        self.faults.append(f"{self.history.tick()}: {fault.__doc__.splitlines()[0]}")
        await fault(self)
        await self.outside(self.broker.wait_whole)
        await self.answered()
        self.calm = True

    async def answered(self):
        """Every publisher is answered again."""
        marks = {writer: writer.sequence for writer in self.publishers}

        def moving():
            return all(any(message.sequence > mark for message in self.latest(writer, mark)) for writer, mark in marks.items())
        await self.until(moving, "every publisher is answered")

    def latest(self, writer, mark):
        """Acknowledged messages of a publisher that were sent after one."""
        for sequence in range(mark + 1, writer.sequence + 1):
            message = self.history.publishes.get((writer.name, sequence))
            if message is not None and message.acked is not None:
                yield message

    async def converge(self):
        """Every node has the same retained messages, and they are the last ones."""
        for name in list(self.broker.nodes):
            end = time.monotonic() + self.options.patience
            while True:
                self.address = self.broker.nodes[name].address
                begun = self.history.tick()
                try:
                    found = await self.outside(self.read_retained)
                except OSError as error:
                    raise Stuck(f"{name} does not tell what is retained: {error}") from error
                self.history.probed(begun, found)
                if not check_retained(self.history) or time.monotonic() > end:
                    break
                self.history.probes.pop()
                await asyncio.sleep(0.1)
