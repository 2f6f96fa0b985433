"""A short crash test in the ordinary run; tests/crash.sh --rounds 200 is the long one.

$CRASH_ROUNDS and $CRASH_SEED change the number of rounds and the seed, which a failure names.
"""

import os
import random
import shutil

import pytest

from crash import liars
from crash.runner import Options, run

ROUNDS = int(os.environ.get("CRASH_ROUNDS", "10"))
SEED = int(os.environ.get("CRASH_SEED") or random.SystemRandom().randrange(1 << 32))


def report(result):
    lines = [result.summary(), *(f"{violation.kind}: {violation.text}" for violation in result.violations[:20])]
    return "\n".join([*lines, f"kept in {result.folder}"])


def test_nothing_is_lost_when_the_broker_is_killed():
    result = run(Options(rounds=ROUNDS, seed=SEED, messages=1000))
    assert not result.violations, report(result)
    assert result.rounds == ROUNDS and result.kills >= ROUNDS and result.delivered > result.published


@pytest.mark.slow
def test_nothing_is_lost_from_the_page_cache_either():
    """Without fsync a killed process loses nothing: the kernel has it all."""
    result = run(Options(rounds=2, seed=SEED, messages=600, durability="os"))
    assert not result.violations, report(result)


@pytest.mark.slow
def test_the_test_finds_what_memory_forgets():
    """The same with a broker that promises without a disk: it must be found out."""
    result = run(Options(rounds=3, seed=SEED, messages=600, durability="memory", patience=10))
    assert set(result.kinds()) - {"stuck", "broker"}, report(result)
    shutil.rmtree(result.folder)


@pytest.mark.slow
@pytest.mark.parametrize("lie, kind", [
    (liars.Swallows, "lost"), (liars.Repeats, "duplicate"), (liars.Reorders, "order"), (liars.ForgetsRetained, "retained"),
    (liars.Impolite, "will"), (liars.Forgetful, "session"),
])
def test_a_broken_promise_is_found(lie, kind):
    result = run(Options(rounds=3, seed=SEED, messages=500, kills=0, lie=lie, patience=10))
    assert result.kinds()[kind], report(result)
    shutil.rmtree(result.folder)


@pytest.mark.slow
def test_an_honest_proxy_is_no_liar():
    result = run(Options(rounds=1, seed=SEED, messages=500, kills=0, lie=liars.Honest))
    assert not result.violations, report(result)


@pytest.mark.slow
def test_nothing_is_lost_in_a_power_cut():
    result = run(Options(rounds=3, seed=SEED, messages=600, power_cut=True))
    assert not result.violations, report(result)


@pytest.mark.slow
def test_the_test_finds_a_missing_fsync():
    result = run(Options(rounds=5, seed=SEED, messages=600, power_cut=True, durability="os", patience=10))
    assert set(result.kinds()) - {"stuck"}, report(result)
    shutil.rmtree(result.folder)
