"""Fixtures of the cluster tests: a cluster with a load, for the whole file as long as nothing is wrong with it."""

import os
import pathlib
import random
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
TESTS = HERE.parent
sys.path[:0] = [str(HERE), str(TESTS / "integration"), str(TESTS)]
sys.path.append(str(TESTS / "conformance"))
os.environ.setdefault("CONFORMANCE_DEADLINE", "60")

from mix import Life  # noqa: E402  (the paths above are needed first)
from network import why_not  # noqa: E402

SEED = int(os.environ.get("CLUSTER_SEED") or random.SystemRandom().randrange(1 << 32))


def pytest_collection_modifyitems(items):
    why = why_not()
    for item in items:
        if why:
            item.add_marker(pytest.mark.skip(reason=why))


class Lives:
    """The cluster of a file, and a new one after a violation."""

    def __init__(self):
        self.life = None

    def suffer(self, *chosen):
        """A round with these faults; there must be no violation."""
        if self.life is None:
            self.life = Life(SEED)
        life = self.life
        violations = life.violations or life.round(*chosen)
        if violations:
            self.life = None
            life.close()
        assert not violations, life.report()
        return life.world

    def close(self):
        if self.life is not None:
            self.life.close()


@pytest.fixture
def seed():
    """$CLUSTER_SEED, or a new one."""
    return SEED


@pytest.fixture(scope="module")
def lives():
    made = Lives()
    yield made
    made.close()
