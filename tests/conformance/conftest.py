"""Fixtures of the conformance tests: a broker for the whole run, others with settings, clients that are closed in the end."""

import itertools
import os
import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
pytest.register_assert_rewrite("mqtt_client")

from broker import Broker  # noqa: E402  (the path above is needed first)
from mqtt_client import Client  # noqa: E402
from statements import SPECS  # noqa: E402

_numbers = itertools.count(1)


def pytest_configure(config):
    config.addinivalue_line("markers", "statement(spec, *numbers): the normative statements a test proves")
    config.addinivalue_line("markers", "settings: starts a broker with settings of its own")


def pytest_collection_modifyitems(items):
    """Writes what a test proves into the result file, where report.py reads it."""
    for item in items:
        level = item.callspec.params.get("version") if hasattr(item, "callspec") else None
        if "broker_with" in getattr(item, "fixturenames", ()):
            item.add_marker("settings")
        for mark in item.iter_markers("statement"):
            spec, *numbers = mark.args
            if level is None or SPECS[spec] == level:
                item.user_properties += [("statement", f"{spec} {number}") for number in numbers]
        item.user_properties.append(("version", str(level)))


@pytest.fixture(scope="session")
def broker():
    """The broker of the whole run, with default settings."""
    running = Broker.start()
    yield running
    running.stop()


@pytest.fixture
def broker_with():
    """Starts a broker with settings: broker_with(limits__receive_maximum=2). It is stopped, and checked, at the end."""
    started = []

    def start(**settings):
        started.append(Broker.start(**settings))
        return started[-1]

    yield start
    for running in started:
        running.stop()


@pytest.fixture
def name():
    """A word used nowhere else in this run: topics and client ids begin with it. It has letters and digits only."""
    return f"t{os.getpid() % 100000}x{next(_numbers)}"


@pytest.fixture
def dial(broker):
    """Opens a connection without sending CONNECT: dial(5). It is closed with the test."""
    made = []

    def make(version, to=None):
        made.append(Client((to or broker).address, version))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def join(dial):
    """Opens a connection that is accepted: join(5, "id", keep_alive=1). Further fields as for mqtt_wire.connect()."""

    def make(version, client_id="", to=None, **fields):
        return dial(version, to).handshake(client_id or f"c{os.getpid()}x{next(_numbers)}", **fields)

    return make
