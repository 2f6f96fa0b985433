"""The registry of statements and the tests fit each other. Needs no broker."""

import importlib
import pathlib

import pytest

import mqtt_client
import mqtt_wire as wire
import report
from statements import REGISTRY, SPECS

HERE = pathlib.Path(__file__).resolve().parent


def marks_of(function):
    """(statement mark, protocol levels it runs at or None) of a test and of the rows of its tables."""
    own = [mark for mark in getattr(function, "pytestmark", [])]
    levels, rows = None, []
    for mark in own:
        if mark.name == "parametrize":
            for value in mark.args[1]:
                rows += getattr(value, "marks", ())
            if mark.args[0] == "version":
                levels = set(mark.args[1])
    return [(mark, levels) for mark in own + rows if mark.name == "statement"]


def proven():
    """Every (spec, number) that some test claims to prove, at a version where it runs."""
    found = set()
    for path in sorted(HERE.glob("test_*.py")):
        for name, function in vars(importlib.import_module(path.stem)).items():
            if name.startswith("test_"):
                for mark, levels in marks_of(function):
                    spec, *numbers = mark.args
                    if levels is None or SPECS[spec] in levels:
                        found.update((spec, number) for number in numbers)
    return found


@pytest.mark.parametrize("spec", REGISTRY)
def test_every_statement_has_a_test_or_a_reason(spec):
    missing = [number for number, entry in REGISTRY[spec].items() if not entry.reason and (spec, number) not in proven()]
    assert missing == []


@pytest.mark.parametrize("spec", REGISTRY)
def test_no_statement_has_both_a_test_and_a_reason(spec):
    assert [number for number, entry in REGISTRY[spec].items() if entry.reason and (spec, number) in proven()] == []


def test_no_claim_is_lost_to_the_versions_of_its_test():
    """A mark for 5.0 on a test that runs in 3.x only would never be counted."""
    for path in sorted(HERE.glob("test_*.py")):
        for name, function in vars(importlib.import_module(path.stem)).items():
            if name.startswith("test_"):
                own = [mark for mark, _ in marks_of(function) if mark in function.pytestmark]
                levels = next((levels for _, levels in marks_of(function)), None)
                for mark in own:
                    assert levels is None or SPECS[mark.args[0]] in levels, (path.name, name, mark.args)


# How many statements each section of the standards has. In 5.0 the first number of 2.2.1 was never given.
SECTIONS = {
    "3.1.1": "1.5.3:3 2.2.2:2 2.3.1:7 3.1.0:2 3.1.2:24 3.1.3:11 3.1.4:5 3.2.0:1 3.2.2:6 3.3.1:12 3.3.2:3 3.3.4:1 3.3.5:2 3.6.1:1 "
             "3.8.1:1 3.8.3:4 3.8.4:6 3.9.3:2 3.10.1:1 3.10.3:2 3.10.4:6 3.12.4:1 3.14.1:1 3.14.4:3 4.1.0:2 4.3.1:1 4.3.2:2 "
             "4.3.3:2 4.4.0:1 4.5.0:2 4.6.0:6 4.7.1:3 4.7.2:1 4.7.3:4 4.8.0:2 6.0.0:4 7.0.0:2 7.1.1:1 7.1.2:1",
    "5.0": "1.5.4:3 1.5.5:1 1.5.7:1 2.1.3:1 2.2.1:6 2.2.2:1 3.1.0:2 3.1.2:30 3.1.3:12 3.1.4:6 3.2.0:2 3.2.2:22 3.3.1:13 3.3.2:20 "
           "3.3.4:10 3.4.2:3 3.5.2:3 3.6.1:1 3.6.2:3 3.7.2:3 3.8.1:1 3.8.3:5 3.8.4:8 3.9.2:2 3.9.3:2 3.10.1:1 3.10.3:2 3.10.4:6 "
           "3.11.2:2 3.11.3:2 3.12.4:1 3.14.0:1 3.14.1:1 3.14.2:4 3.14.4:3 3.15.1:1 3.15.2:3 4.1.0:2 4.2.0:1 4.3.1:1 4.3.2:5 "
           "4.3.3:13 4.4.0:2 4.5.0:2 4.6.0:6 4.7.0:1 4.7.1:2 4.7.2:1 4.7.3:4 4.8.2:6 4.9.0:3 4.12.0:7 4.12.1:2 4.13.1:1 "
           "4.13.2:1 6.0.0:4",
}
NEVER_GIVEN = {"5.0": {"MQTT-2.2.1-1"}, "3.1.1": set()}


@pytest.mark.parametrize("spec", REGISTRY)
def test_the_registry_has_every_number(spec):
    expected = []
    for entry in SECTIONS[spec].split():
        section, count = entry.split(":")
        expected += [f"MQTT-{section}-{index}" for index in range(1, int(count) + 1)]
    assert [number for number in expected if number not in NEVER_GIVEN[spec]] == list(REGISTRY[spec])


# --- the toolkit refuses what a server must not send -----------------------------------------------------------------------

BAD = {
    "connack-reserved-flags": (5, b"\x20\x03\x02\x00\x00"), "connack-header-flags": (5, b"\x21\x03\x00\x00\x00"),
    "connack-error-with-session": (4, b"\x20\x02\x01\x02"), "connack-code-6": (4, b"\x20\x02\x00\x06"),
    "connack-strange-code": (5, b"\x20\x03\x00\x8e\x00"), "connack-duplicate": (5, b"\x20\x09\0\0\x06\x21\0\1\x21\0\1"),
    "publish-qos-3": (4, b"\x36\x05\0\1a\0\1"), "publish-dup-qos-0": (4, b"\x38\x03\0\1a"),
    "publish-id-0": (4, b"\x32\x05\0\1a\0\0"), "publish-wildcard": (4, b"\x30\x03\0\1#"), "publish-empty": (4, b"\x30\x02\0\0"),
    "publish-surrogate": (4, b"\x30\x05\0\3\xed\xa0\x80"), "publish-nul": (4, b"\x30\x03\0\1\0"),
    "publish-overlong-properties": (5, b"\x30\x05\0\1a\x80\0"), "puback-code": (5, b"\x40\x03\0\1\x92"),
    "suback-code-3": (4, b"\x90\x03\0\1\3"), "suback-code": (5, b"\x90\x04\0\1\0\3"), "too-long": (4, b"\x40\x03\0\1\0"),
    "pingresp-with-body": (4, b"\xd0\x01\0"), "disconnect-in-4": (4, b"\xe0\0"), "disconnect-expiry": (5, b"\xe0\7\0\5\x11\0\0\0\0"),
    "disconnect-0x04": (5, b"\xe0\1\x04"), "pubrel-flags": (4, b"\x60\2\0\1"), "subscribe-from-server": (4, b"\x82\0"),
}


@pytest.mark.parametrize("version,data", BAD.values(), ids=BAD)
def test_the_decoder_refuses(version, data):
    with pytest.raises(wire.WireError):
        wire.decode(version, data[0], data[2:])


def packets():
    """One packet of each kind that a client sends."""
    yield from (wire.pingreq(), wire.disconnect(5), wire.auth(), wire.connect(5, "c", will=wire.will("t", b"m"), user="u"))
    yield from (wire.publish(5, "t", b"m", 2, 1), wire.subscribe(5, 1, [("t", 0)]), wire.unsubscribe(5, 1, ["t"]))


def test_the_encoder_writes_whole_packets():
    for data in packets():
        assert wire.Reader(data[1:]).varint() == len(data) - 2


@pytest.mark.parametrize("value,data", [(0, b"\0"), (127, b"\x7f"), (128, b"\x80\1"), (16383, b"\xff\x7f"), (2097152, b"\x80\x80\x80\1")])
def test_variable_byte_integers(value, data):
    assert wire.varint(value) == data and wire.Reader(data).varint() == value


def test_a_failed_statement_is_reported(tmp_path):
    results = tmp_path / "results.xml"
    results.write_text('<testsuites><testsuite><testcase classname="test_x" name="test_y[5.0]"><properties>'
                       '<property name="statement" value="5.0 MQTT-3.1.0-1"/></properties><failure/></testcase>'
                       "</testsuite></testsuites>")
    proofs, counts = report.read(results)
    assert "5.0 MQTT-3.1.0-1: test_x::test_y failed" in list(report.problems(proofs))
    assert "| 3.1.0-1 | The first packet on a connection is CONNECT. | client | `test_x::test_y` | **FAILED** (1 of 1) |" in (
        report.page(proofs, counts))
    assert mqtt_client.hexes([0x81, None]) == "0x81, close"
