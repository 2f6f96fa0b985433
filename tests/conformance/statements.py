"""The normative statements of MQTT 3.1.1 and MQTT 5.0, and how a test says which ones it proves.

    @statement("5.0", "MQTT-3.1.0-1")
    def test_...

Each statement has a number, whom it binds, what it asks for in our words, and, when no test can show it from outside, why.
"""

import pytest

import statements_v311
import statements_v5

SPECS = {"3.1.1": 4, "5.0": 5}
SERVER, CLIENT, BOTH = "server", "client", "both"


class Statement:
    """One normative statement."""

    def __init__(self, number, binds, gist, reason=None):
        self.number, self.gist, self.reason = "MQTT-" + number, gist, reason
        self.binds = {"S": SERVER, "C": CLIENT, "B": BOTH}[binds]


def _table(rows):
    table = {row[0]: Statement(*row) for row in rows}
    assert len(table) == len(rows), "a number is there twice"
    return {"MQTT-" + number: entry for number, entry in table.items()}


REGISTRY = {"3.1.1": _table(statements_v311.ROWS), "5.0": _table(statements_v5.ROWS)}


def statement(spec, *numbers):
    """Marks a test, or one row of a table (as `marks=` of pytest.param), as proof of these statements."""
    unknown = [number for number in numbers if number not in REGISTRY[spec]]
    if unknown or not numbers:
        raise ValueError(f"no such statement in {spec}: {unknown}")
    return pytest.mark.statement(spec, *numbers)


def case(name, *values, v311=(), v5=()):
    """A row of a table: its name, its values, and the statements that this row proves (without "MQTT-")."""
    marks = [statement(spec, *("MQTT-" + number for number in numbers))
             for spec, numbers in (("3.1.1", v311), ("5.0", v5)) if numbers]
    return pytest.param(*values, id=name, marks=marks)


VERSION_IDS = {3: "3.1", 4: "3.1.1", 5: "5.0"}


def versions(*levels):
    """Runs a test once for each of these protocol levels, as argument `version`."""
    return pytest.mark.parametrize("version", levels, ids=[VERSION_IDS[level] for level in levels])


all_versions = versions(3, 4, 5)
