"""One publish to very many subscribers does not freeze the others."""

import selectors
import socket

import pytest

import mqtt_wire as wire
from hostile import SECONDS, Guard, scaled
from mqtt_client import Client

PAYLOAD = b"to all " + b"." * 1000


class Crowd:
    """Thousands of bare subscriber connections in this one process; their bytes are counted, not decoded."""

    def __init__(self, address, topic, count):
        self.selector = selectors.EpollSelector()
        self.sockets = []
        self.received = {}
        for number in range(count):
            # Loopback has many addresses: the ports of one are not used up.
            source = (f"127.0.{1 + number // 5000}.1", 0)
            self.sockets.append(socket.create_connection(address, timeout=SECONDS, source_address=source))
            self.sockets[-1].sendall(wire.connect(4, f"{topic}-{number}") + wire.subscribe(4, 1, [(topic, 0)]))
        for sock in self.sockets:
            self._read_exactly(sock, 4 + 5)  # CONNACK and SUBACK
            sock.setblocking(False)
            self.selector.register(sock, selectors.EVENT_READ)

    @staticmethod
    def _read_exactly(sock, count):
        data = b""
        while len(data) < count:
            piece = sock.recv(count - len(data))
            assert piece, "a subscriber was disconnected"
            data += piece

    def have_nothing(self):
        """How many connections have no byte waiting or taken."""
        ready = {key.fileobj for key, _ in self.selector.select(0)}
        return len(self.sockets) - len(ready | set(self.received))

    def read_all(self, size):
        """Until every connection has exactly `size` bytes."""
        left = set(self.sockets)
        while left:
            ready = self.selector.select(SECONDS)
            assert ready, f"{len(left)} subscribers wait for the rest"
            for key, _ in ready:
                data = key.fileobj.recv(65536)
                assert data, "a subscriber was disconnected"
                total = self.received[key.fileobj] = self.received.get(key.fileobj, 0) + len(data)
                assert total <= size
                if total == size:
                    left.discard(key.fileobj)

    def close(self):
        self.selector.close()
        for sock in self.sockets:
            sock.close()


@pytest.mark.slow
def test_others_are_served_while_a_publish_fans_out(start_broker, name):
    """On one shard, while 18,000 subscribers are being served, a client that pings gets its answer before the last of them has
    its message: the shard turns to other work after each slice of subscribers."""
    broker = start_broker(shards=1, settings={"limits.fanout_slice": 100})
    guard = Guard(broker, name)
    crowd = Crowd(broker.address, name + "/all", scaled(18_000))
    publisher, pinger = Client(broker.address, 5).handshake(name + "p"), Client(broker.address, 5).handshake(name + "q")
    rounds, fair = 0, 0
    while fair < 3 and rounds < 20:
        rounds += 1
        # The fan-out has begun when the first subscriber has its message; the ping is sent after that.
        publisher.send(wire.publish(5, name + "/all", PAYLOAD))
        assert crowd.selector.select(SECONDS), "nobody gets the message"
        pinger.barrier()
        fair += crowd.have_nothing() > 0
        crowd.received.clear()
        crowd.read_all(len(wire.publish(4, name + "/all", PAYLOAD)))
        crowd.received.clear()
    guard.check(growth_mib=300)
    for client in (publisher, pinger):
        client.close()
    crowd.close()
    guard.finish(growth_mib=300)
    # The kernel may run this process only after the fan-out is over, so not every round can show it.
    assert fair > 0, f"in none of {rounds} fan-outs was the ping answered before the last subscriber was served"
