"""A client with a durable session: it comes back whenever the broker is there and it wants to be online."""

import asyncio

import mqtt_wire as wire
from crash.connection import Connection

FOREVER = 0xFFFFFFFF
SHUTTING_DOWN, TAKEN_OVER = 0x8B, 0x8E
RETRY_SECONDS = 0.02


class Client:
    """Base of publishers, subscribers and clients with wills. `name` is the client id."""

    def __init__(self, world, name, version):
        self.world, self.history, self.name, self.version = world, world.history, name, version
        self.link = None        # the connection, from before CONNECT to its end
        self.served = False     # CONNACK has come on it
        self.tried = False      # a CONNECT has been sent at some time
        self.first_try = True   # the CONNECT sent last was the first one
        self.established = False  # a CONNACK has promised the session
        self.ghosts = 0  # connections given up before CONNACK: their CONNECT may be read after that of a later one
        self.wanted = asyncio.Event()
        self.changed = asyncio.Event()  # served, wanted or link is another
        self.task = None

    # --- what a kind of client adds ------------------------------------------------------------------------------------

    clean = False  # whether the next CONNECT starts a new session
    excused = frozenset({SHUTTING_DOWN})  # reasons that are no problem: it comes again

    def connect_fields(self):
        """Further fields of CONNECT."""
        return {}

    def on_resumed(self, packet):
        """CONNACK came; the session is the one of before."""

    def on_session_gone(self):
        """CONNACK came; the server has no session. Called before on_resumed()."""

    def on_message(self, packet):
        """Any packet after CONNACK."""

    def on_offline(self):
        """The connection has ended, from either side."""

    # --- the connection ------------------------------------------------------------------------------------------------

    def start(self):
        self.wanted.set()
        self.task = asyncio.get_running_loop().create_task(self.stay())

    async def stay(self):
        """Connects again and again."""
        while True:
            await self.wanted.wait()
            await self.world.up.wait()
            if self.link is None and not await self.dial():
                await asyncio.sleep(RETRY_SECONDS)
                continue
            self.changed.clear()
            if self.link is not None:
                await self.changed.wait()

    async def dial(self):
        """Opens a connection and sends CONNECT."""
        try:
            _, link = await asyncio.get_running_loop().create_connection(lambda: Connection(self, self.version), *self.world.next_address())
        except OSError:
            return False
        if self.link is not None or not self.wanted.is_set() or link.owner is None:
            link.drop()
            return False
        self.link = link
        self.send_connect(link)
        return True

    def send_connect(self, link):
        fields = self.connect_fields()
        fields["props"] = list(fields.get("props", ())) + ([(wire.SESSION_EXPIRY, FOREVER)] if self.version >= 5 else [])
        link.send(wire.connect(self.version, self.name, clean=self.clean, **fields))
        self.tried, self.first_try = True, not self.tried

    async def take_over(self):
        """A new connection while the old one is served; what still comes on the old one does not count."""
        if not self.served:
            return
        try:
            _, link = await asyncio.get_running_loop().create_connection(lambda: Connection(self, self.version), *self.world.next_address())
        except OSError:
            return
        if not self.served or link.owner is None:
            link.drop()
            return
        old, self.link, self.served = self.link, link, False
        self.supersede(old)
        self.on_offline()
        self.send_connect(link)
        self.changed.set()

    def supersede(self, old):
        """What becomes of the old connection of take_over()."""
        old.owner = None
        asyncio.get_running_loop().call_later(1.0, old.drop)

    def on_packet(self, packet):
        if self.served:
            if packet.kind != wire.DISCONNECT:
                self.on_message(packet)
            elif packet.reason == TAKEN_OVER and self.ghosts:
                self.ghosts -= 1
            elif packet.reason not in self.excused:
                self.history.problem("refused", f"{self.name}: DISCONNECT {packet.reason:#04x}")
            return
        if packet.kind != wire.CONNACK or packet.reason != 0:
            if packet.kind != wire.CONNACK or packet.reason not in self.excused:
                self.history.problem("refused", f"{self.name}: {wire.NAMES[packet.kind]} {packet.reason:#04x} in answer to CONNECT")
            self.offline()
            return
        self.on_connack(packet)

    def on_connack(self, packet):
        self.served = True
        if self.established and not packet.session_present and not self.clean:
            self.history.problem("session", f"{self.name}: the session is gone")
        if packet.session_present and (self.clean or self.first_try):
            self.history.problem("session", f"{self.name}: a session from nowhere")
        if not packet.session_present:
            self.on_session_gone()
        self.established, self.clean = True, False
        self.on_resumed(packet)
        self.changed.set()

    def on_lost(self):
        """The other side has ended the connection."""
        self.ghosts += not self.served
        self.link, self.served = None, False
        self.on_offline()
        self.changed.set()

    def offline(self, goodbye=False):
        """Ends the connection from this side, if there is one."""
        link, served = self.link, self.served
        if link is None:
            return
        if goodbye and served:
            link.send(wire.disconnect(self.version))
            link.owner = None
            link.transport.close()
        else:
            link.drop()
        self.on_lost()

    def send(self, packet):
        if self.link is not None:
            self.link.send(packet)
