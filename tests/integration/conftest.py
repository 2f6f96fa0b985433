"""Fixtures of the integration tests: a broker, client makers, names nobody else uses."""

import itertools
import os
import pathlib
import resource
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
sys.path.append(str(HERE.parent / "conformance"))  # the raw client: mqtt_client, mqtt_wire
os.environ.setdefault("CONFORMANCE_DEADLINE", os.environ.get("INTEGRATION_PATIENCE", "60"))
pytest.register_assert_rewrite("mqtt_client", "persistence")

import client_driver  # noqa: E402  (the paths above are needed first)
from persistence import Node  # noqa: E402
from support.broker import Broker  # noqa: E402

# Thousands of connections are made from here. The broker raises its own soft limit by itself, so it gets the original one.
SOFT, HARD = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (HARD, HARD))

_numbers = itertools.count(1)


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: made of numbers that a sanitizer's build should not be asked for")


@pytest.fixture(scope="module")
def broker():
    """A broker with two shards for the whole file."""
    with Broker.start(shards=2) as running:
        yield running


@pytest.fixture
def start_broker():
    """Starts further brokers: start_broker(shards=4, settings={...}). They are stopped, and checked, at the end of the test."""
    started = []

    def start(**arguments):
        started.append(Broker.start(**arguments))
        return started[-1]

    yield start
    problems = []
    for running in reversed(started):
        try:
            running.stop()
        except AssertionError as problem:
            problems.append(str(problem))
    assert not problems, "\n".join(problems)


@pytest.fixture
def node(tmp_path):
    """A broker whose data directory stays while it is ended and started again."""
    made = Node(tmp_path / "data").start()
    yield made
    made.close_clients()
    if made.running:
        made.running.stop()


@pytest.fixture
def name():
    """A short name used nowhere else: topics and client ids of this test begin with it. 3.1 allows 23 bytes an id."""
    return f"t{os.getpid() % 100000}-{next(_numbers)}"


@pytest.fixture
def new_client(broker, tmp_path):
    """Makes real clients of the file's broker: new_client("paho1", "5"). They are ended with the test."""
    made = []

    def make(kind, version):
        made.append(client_driver.make_client(kind, version, broker.address, tmp_path))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def mosquitto_sub(broker):
    """Runs mosquitto_sub: mosquitto_sub("5", ["a/#"], qos=1, arguments=["-c"]). It is ended with the test."""
    made = []

    def make(version, filters, qos=0, arguments=()):
        made.append(client_driver.MosquittoSubscriber(version, broker.address, filters, qos, arguments))
        return made[-1]

    yield make
    for subscriber in made:
        subscriber.close()
