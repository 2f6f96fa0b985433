"""Adds up JUnit result files.

    python3 tests/count_results.py FILE...
    python3 tests/count_results.py --failed FILE...

Prints "PASSED FAILED"; with --failed, the names of those that did not pass, one a line, and why.
A file that is missing, unreadable or without a single test counts as one failure, and so does a
skipped test: nothing that was not run counts as passed.
"""

import sys
import xml.etree.ElementTree

BAD = ("failure", "error", "skipped")
SHOWN = 200  # characters of a reason


def reason_of(case):
    """Why a test did not pass, in one line; None when it did."""
    found = [part for tag in BAD for part in case.findall(tag)]
    if not found:
        return None
    if given := found[0].get("message") or found[0].text:
        return " ".join(given.split())[:SHOWN]
    return " ".join(case.findtext("system-out", "no reason given").split())[-SHOWN:]


def cases_of(path):
    """(name, reason) of each test in one file; nothing when it cannot be read."""
    try:
        cases = xml.etree.ElementTree.parse(path).iter("testcase")
        return [(case.get("name"), reason_of(case)) for case in cases]
    except (OSError, xml.etree.ElementTree.ParseError) as error:
        print(f"count_results: {path}: {error}", file=sys.stderr)
        return []


def count(path):
    """(passed, failed) of one file."""
    cases = cases_of(path)
    passed = sum(1 for _, reason in cases if reason is None)
    return passed, len(cases) - passed if cases else 1


def main(arguments):
    if arguments[:1] == ["--failed"]:
        for path in arguments[1:]:
            for name, reason in cases_of(path):
                if reason is not None:
                    print(f"{name}: {reason}")
        return
    results = [count(path) for path in arguments]
    print(sum(passed for passed, _ in results), sum(failed for _, failed in results))


if __name__ == "__main__":
    main(sys.argv[1:])
