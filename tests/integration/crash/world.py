"""One data directory and its clients, round after round.

A round: publishers work through their plan while subscribers do as they please; the broker is killed once or oftener, at moments
drawn from the seed, and started again; when all is published everybody comes home and receives what is left. Then the books are
checked, and the next round begins with the same sessions.
"""

import asyncio
import time

from crash import plan
from crash.checker import check, missing, overdue_wills
from crash.history import History
from crash.payload import read_payload
from crash.publisher import Publisher
from crash.subscriber import FENCE_TOPIC
from mqtt_client import Client as Prober
from mqtt_client import sentinel_at
from mqtt_client import sentinel_at

POLL_SECONDS = 0.005


class Stuck(Exception):
    """What should happen does not; the checker says what is missing."""


class World:
    """`broker` is one of brokers.py, `rng` the source of every choice, `options` are runner.Options."""

    def __init__(self, broker, rng, options):
        self.broker, self.rng, self.options = broker, rng, options
        self.history = History()
        self.address = None
        self.killed_at = None  # while the broker is down because it was killed
        self.kills = 0
        self.recovery_seconds = []
        self.up, self.draining = asyncio.Event(), asyncio.Event()
        self.make_clients(rng)

    def make_clients(self, rng):
        self.publishers = plan.make_publishers(self, rng)
        self.retainers = plan.make_retainers(self, rng)
        self.fencer = Publisher(self, "fencer", 5, 1, True)
        self.subscribers = plan.make_subscribers(self, rng)
        self.will_clients = plan.make_will_clients(self, rng)

    @property
    def writers(self):
        return [*self.publishers, *self.retainers, self.fencer]

    @property
    def clients(self):
        return [*self.writers, *self.subscribers, *self.will_clients]

    def next_address(self):
        """Where a client is to connect now."""
        return self.address

    # --- life ----------------------------------------------------------------------------------------------------------

    async def begin(self):
        """Returns the violations."""
        try:
            await self.settle_in()
        except (Stuck, AssertionError) as error:
            self.history.problem("broker", str(error))
        return check(self.history, drained=False)

    async def settle_in(self):
        await self.start_broker()
        for subscriber in self.subscribers:
            subscriber.start()
        await self.until(lambda: all(subscriber.settled() for subscriber in self.subscribers), "everybody has subscribed")
        for subscriber in self.subscribers:
            if "w/#" in subscriber.filters:
                self.history.watching(subscriber.name)
        for writer in [*self.writers, *self.will_clients]:
            writer.start()

    async def end(self):
        """Stops everything; the broker as an operator would."""
        for client in self.clients:
            if client.task:
                client.task.cancel()
            client.offline()
        await asyncio.gather(*(client.task for client in self.clients if client.task), return_exceptions=True)
        await self.outside(self.broker.stop)

    async def start_broker(self):
        begun = time.monotonic()
        self.address = await self.outside(self.broker.start)
        sentinel_at.cache_clear()  # another broker may have had this port
        self.recovery_seconds.append(time.monotonic() - begun)
        await self.probe()
        self.killed_at = None
        self.up.set()

    async def crash(self):
        """kill -9, now and then a clean stop; and a start."""
        clean = self.rng.random() < 0.08
        if not clean:
            self.killed_at = time.monotonic()
        self.up.clear()
        self.kills += 1
        await self.outside(self.broker.stop if clean else self.broker.kill)
        for subscriber in self.subscribers:
            if subscriber.link is not None:
                subscriber.link.pause(False)
        for client in self.clients:
            await self.until(lambda client=client: client.link is None, f"{client.name} sees that the broker is gone", alive=False)
        await self.start_broker()

    async def probe(self):
        """Looks at everything that is retained."""
        begun = self.history.tick()
        found = await self.outside(self.read_retained)
        self.history.probed(begun, found)

    def read_retained(self):
        sentinel_at.cache_clear()  # a port can come back with another data directory behind it
        prober = Prober(self.address, 5).handshake("")
        found = {topic: read_payload(message.payload) for topic, message in prober.retained("r/#").items()}
        prober.close()
        return found

    # --- a round -------------------------------------------------------------------------------------------------------

    async def round(self):
        """Returns the violations."""
        try:
            await self.play()
        except Stuck as stuck:
            self.history.problem("stuck", str(stuck))
        except AssertionError as error:  # it did not start or stop, or did not answer the prober
            self.history.problem("broker", str(error))
            return check(self.history, drained=False)
        return check(self.history)

    async def play(self):
        self.draining.clear()
        items = self.draw_work()
        start = self.history.progress
        kills = plan.draw_kills(self.rng, plan.expected_progress(items, self.subscribers), self.options.kills)
        moods = [self.spawn(self.moody(subscriber)) for subscriber in self.subscribers]
        moods += [self.spawn(self.restless(publisher)) for publisher in self.publishers if publisher.restless]
        moods += [self.spawn(client.live()) for client in self.will_clients]
        for writer in self.writers:
            writer.pump()
        work = self.spawn(self.work(moods))
        try:
            for kill in kills:
                while self.history.progress < start + kill and not work.done():
                    await asyncio.sleep(POLL_SECONDS)
                await self.crash()
                if work.done():
                    await work
                    work = self.spawn(self.work(moods))
            await work
            await self.probe()
        finally:
            self.draining.set()
            for task in (*moods, work):
                task.cancel()
            await asyncio.gather(*moods, work, return_exceptions=True)

    def draw_work(self):
        items = []
        for publisher in self.publishers:
            publisher.plan.extend(plan.draw_items(self.rng, publisher.topics, self.options.messages // len(self.publishers)))
            items += publisher.plan
        for retainer in self.retainers:
            retainer.plan.extend(plan.draw_retained(self.rng, retainer.name, self.options.messages // 15))
            items += retainer.plan
        return items

    async def work(self, moods):
        """Ends when all is published, received and finished."""
        await self.until(lambda: all(writer.done() for writer in self.writers), "all is published and acknowledged")
        self.draining.set()
        await self.until(lambda: all(task.done() for task in moods), "all are home")
        for task in moods:
            task.result()
        await self.received("what was owed has come")
        await self.until(lambda: not overdue_wills(self.history), "all wills that must fire have fired")
        # What comes after everything else: nothing is behind it in any queue.
        self.fencer.plan.append(plan.Item(FENCE_TOPIC, 2))
        self.fencer.pump()
        await self.until(self.fencer.done, "the fence is published")
        await self.received("the fence has come")

    async def received(self, what):
        rest = missing(self.history)
        marks = {session: 0 for session in rest}

        def nothing_left():
            for session, keys in rest.items():
                came = self.history.deliveries.get(session, [])
                keys.difference_update((item.publisher, item.sequence) for item in came[marks[session]:])
                marks[session] = len(came)
            return not any(rest.values()) and not any(item.taken or item.acks or not item.settled() for item in self.subscribers)

        await self.until(nothing_left, what)

    # --- moods ---------------------------------------------------------------------------------------------------------

    async def moody(self, subscriber):
        """What a subscriber does besides receiving, until it is time to come home."""
        extra = f"x/{self.rng.randrange(plan.EXTRAS)}"
        while not self.draining.is_set():
            await self.pause(self.rng.uniform(0.01, 0.25))
            if self.draining.is_set() or not subscriber.served:
                continue
            if subscriber.mood == "flapping":
                subscriber.offline(goodbye=self.rng.random() < 0.3)
            elif subscriber.mood == "asleep":
                subscriber.wanted.clear()
                subscriber.offline(goodbye=self.rng.random() < 0.5)
                await self.pause(self.rng.choice((0.05, 0.5, 60)))
                subscriber.wanted.set()
            elif subscriber.mood == "stopping":
                link = subscriber.link
                link.pause(True)
                await self.pause(self.rng.uniform(0.05, 0.5))
                link.pause(False)
            elif subscriber.mood == "taking over":
                await subscriber.take_over()
            elif subscriber.mood == "forgetful" and subscriber.settled():
                subscriber.start_anew()
                await self.pause(0.3)
            elif subscriber.mood == "undecided" and subscriber.settled():
                subscriber.want(extra, None if extra in subscriber.filters else self.rng.choice((1, 2)))

    async def restless(self, publisher):
        """A publisher that loses its connection now and then."""
        while not self.draining.is_set():
            await self.pause(self.rng.uniform(0.05, 0.4))
            publisher.offline()

    # --- helpers -------------------------------------------------------------------------------------------------------

    async def pause(self, seconds):
        """Waits so long, or until everybody comes home."""
        try:
            await asyncio.wait_for(self.draining.wait(), seconds)
        except asyncio.TimeoutError:
            pass

    async def until(self, condition, what, alive=True):
        """Waits for a condition for as long as there is progress of any kind."""
        last, since = None, time.monotonic()
        while not condition():
            now = time.monotonic()
            if self.history.progress != last or (alive and not self.up.is_set()):
                last, since = self.history.progress, now
            if alive and self.up.is_set() and not self.broker.alive():
                raise Stuck(f"the broker has ended by itself; waited until {what}")
            if now - since > self.options.patience:
                raise Stuck(f"no progress for {self.options.patience} s; waited until {what}")
            await asyncio.sleep(POLL_SECONDS)

    async def outside(self, function):
        return await asyncio.get_running_loop().run_in_executor(None, function)

    def spawn(self, coroutine):
        return asyncio.get_running_loop().create_task(coroutine)
