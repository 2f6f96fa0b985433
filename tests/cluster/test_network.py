"""The network that the other tests break: it is whole, breaks where it is told to, heals, and leaves nothing behind."""

import socket
import subprocess

import pytest

from network import FOLDER, PREFIX, Network, run
from support.broker import accepts, wait_until

PORT = 7000


@pytest.fixture
def network():
    made = Network()
    yield made
    made.remove()


@pytest.fixture
def pair(network):
    """Two hosts, and b listens."""
    a, b = network.add("a"), network.add("b")
    with b.entered():
        listener = socket.create_server((b.address, PORT), backlog=64)
    yield a, b
    listener.close()


def reaches(source, target):
    with source.entered():
        return accepts((target.address, PORT))


def test_hosts_reach_each_other_and_the_machine_knows_nothing_of_it(pair):
    a, b = pair
    assert reaches(a, b) and reaches(b, b)
    assert PREFIX in a.run("ip", "-4", "addr")
    assert PREFIX not in run("ip", "-4", "addr") + run("ip", "-4", "route")


@pytest.mark.parametrize("way", ["there", "back"])
def test_a_direction_is_cut_and_heals(pair, way):
    at, sender = (pair[1], pair[0]) if way == "there" else pair
    at.refuse(sender)
    assert not reaches(*pair)
    at.accept(sender)
    assert reaches(*pair)


def test_packets_are_lost_and_come_through_again(pair):
    a, b = pair
    with a.entered():
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with b.entered():
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        receiver.bind((b.address, PORT))
    receiver.setblocking(False)

    def came(count):
        for _ in range(count):
            try:
                sender.sendto(b"x", (b.address, PORT))
            except PermissionError:
                pass  # how a datagram that OUTPUT drops is told
        with pytest.raises(BlockingIOError):
            for number in range(count + 1):
                receiver.recv(1)
        return number

    assert came(100) == 100
    b.lose(50)
    assert 0 < came(100) < 100
    b.lose_nothing()
    assert came(100) == 100
    sender.close()
    receiver.close()


def test_nothing_stays():
    network = Network()
    host = network.add("a")
    sleeper = subprocess.Popen([*host.launcher, "sleep", "1000"])
    wait_until(lambda: run("ip", "netns", "pids", host.namespace).split() == [str(sleeper.pid)], 60, "it runs there")
    network.remove()
    assert sleeper.wait(60) == -9
    assert not list(FOLDER.glob(f"{network.prefix}*"))
