"""A broker on one data directory that is ended and started again, for the tests of what outlives it."""

import pytest

import mqtt_wire as wire
from mqtt_client import Client, sentinel_at
from support.broker import Broker

LASTING = [(wire.SESSION_EXPIRY, 1000)]

both = pytest.mark.parametrize("how", ["kill", "stop"])
all_versions = pytest.mark.parametrize("version", [3, 4, 5])


class Node:
    """A broker on one data directory."""

    def __init__(self, data_dir):
        self.data_dir, self.arguments, self.running, self.clients = data_dir, {"shards": 2}, None, []

    def start(self, **arguments):
        """Starts it, or starts it again, with these arguments from now on."""
        self.arguments.update(arguments)
        self.running = Broker.start(data_dir=self.data_dir, **self.arguments)
        sentinel_at.cache_clear()  # another broker may have had this port
        return self

    def end(self, how):
        self.close_clients()
        end = self.running.discard if how == "kill" else self.running.stop
        self.running = None
        end()

    def again(self, how, **arguments):
        """Ends the broker in that way and starts it again."""
        self.end(how)
        return self.start(**arguments)

    def join(self, client_id, version=5, clean=False, props=LASTING, **fields):
        client = Client(self.running.address, version)
        self.clients.append(client)
        return client.handshake(client_id, clean=clean, props=props if version == 5 else [], **fields)

    def guest(self):
        """A client without a session."""
        return self.join("", clean=True, props=[])

    def settle(self):
        """What the broker has handled up to now is on disk: a message that came after it is."""
        witness = self.join("witness")
        if not witness.connack.session_present:
            witness.subscribe("witness", qos=1)
        self.guest().publish("witness", b"", qos=1)
        witness.close()

    def close_clients(self):
        for client in self.clients:
            client.close()
        self.clients.clear()
