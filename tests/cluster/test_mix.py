"""Faults drawn from a seed, for one round; tests/cluster.sh goes on for as long as it is told. And a broker that is found out."""

import random
import shutil

import faults
from mix import FAULTS_A_ROUND, Life


def test_five_nodes_and_what_comes(seed):
    life = Life(f"{seed}/five", count=5)
    try:
        rng = random.Random(f"{seed}/five")
        violations = life.violations or life.round(*(faults.draw(rng, life.names, "spare") for _ in range(FAULTS_A_ROUND)))
        assert not violations, life.report()
    finally:
        life.close()


def test_the_test_finds_what_memory_forgets(seed):
    """Nodes that acknowledge before anything is written."""
    life = Life(seed, patience=10.0, settings={"storage.durability": "memory"})
    try:
        violations = life.violations or life.round(faults.kill("n0"), faults.kill("n1"), faults.kill("n2"))
        assert {each.kind for each in violations} & {"lost", "session", "retained"}, life.report()
    finally:
        life.close()
        shutil.rmtree(life.folder)
