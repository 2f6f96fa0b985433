"""Clients that come and go with a will, and know what must become of it.

Every CONNECT announces a will of its own. A client with a durable session says goodbye (its will must never fire), drops its
connection or loses it with the broker (the will must fire, once, not before its delay), or drops it and comes back in time (a
delayed will must not fire).
"""

import asyncio
import time

import mqtt_wire as wire
from crash.client import Client
from crash.payload import make_payload


class WillClient(Client):
    """`delay` seconds is the Will Delay Interval (0 for MQTT 3.1.1)."""

    def __init__(self, world, name, version, delay, rng):
        super().__init__(world, name, version)
        self.delay, self.rng = (delay if version >= 5 else 0), rng
        self.number = 0
        self.current = None  # announced with the CONNECT sent last
        self.earlier = []    # wills whose fate the next CONNACK settles
        self.leaving = False
        self.away = False  # lost its connection with the broker and does not come back in this round

    def connect_fields(self):
        if self.current is not None:
            self.earlier.append((self.current, self.current.fate))
            self.current.fate = "never" if self.current.fate == "never" else "may"
        self.number += 1
        self.current = self.history.announced(self.name, self.number)
        self.leaving = False
        props = [(wire.WILL_DELAY, self.delay)] if self.delay else []
        return {"will": wire.will(f"w/{self.name}", make_payload(self.name, self.number, 8), qos=2, props=props)}

    def on_resumed(self, packet):
        now = time.monotonic()
        for will, fate in self.earlier:
            if fate == "must" and self.delay and now < will.earliest:
                will.fate, will.why = "never", f"{will.why}, and the client was back in time"
        self.earlier.clear()

    def on_lost(self):
        """The broker has ended the connection: after DISCONNECT, because it was killed, or because it was stopped."""
        if self.served and self.leaving and self.world.up.is_set():
            self.current.fate, self.current.why = "never", "DISCONNECT 0x00, and the broker had closed the connection"
        elif self.served and not self.leaving and self.world.killed_at is not None:
            self.must_fire(self.world.killed_at, "the broker was killed")
            self.away = self.rng.random() < 0.7
            if self.away:
                self.wanted.clear()
        super().on_lost()

    def must_fire(self, since, why):
        self.current.fate, self.current.earliest = "must", since + self.delay
        self.current.why = f"{why}, delay {self.delay} s"

    def lose(self):
        """Drops the connection without a word."""
        self.wanted.clear()
        if not self.served or self.leaving:
            return
        since = time.monotonic()
        self.link.drop()
        self.must_fire(since, "the connection was dropped")
        Client.on_lost(self)

    def leave(self):
        """DISCONNECT 0x00; the broker closes the connection then."""
        self.wanted.clear()
        if self.served and not self.leaving:
            self.leaving = True
            self.send(wire.disconnect(self.version))

    def gone(self):
        return self.link is None

    async def live(self):
        """Until the world drains: connects, stays for a while, goes in one way or the other."""
        self.away = False
        while not self.world.draining.is_set():
            if self.away:
                await self.world.pause(60)
                continue
            self.wanted.set()
            await self.world.pause(self.rng.uniform(0.02, 0.4))
            how = self.rng.random()
            if how < 0.3:
                self.leave()
            elif how < 0.8:
                self.lose()
            await self.world.pause(self.rng.choice((0.0, 0.02, 0.1, self.delay * 1.2)))
        while not self.gone() or self.wanted.is_set():
            self.leave()
            await asyncio.sleep(0.01)
