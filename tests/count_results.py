"""Adds up JUnit result files.

    python3 tests/count_results.py FILE...
    python3 tests/count_results.py --failed FILE...

Prints "PASSED FAILED"; with --failed, the names of those that did not pass, one a line.
A file that is missing, unreadable or without a single test counts as one failure, and so does a
skipped test: nothing that was not run counts as passed.
"""

import sys
import xml.etree.ElementTree

BAD = ("failure", "error", "skipped")


def cases_of(path):
    """(name, passed) of each test in one file; nothing when it cannot be read."""
    try:
        cases = xml.etree.ElementTree.parse(path).iter("testcase")
        return [(case.get("name"), all(case.find(tag) is None for tag in BAD)) for case in cases]
    except (OSError, xml.etree.ElementTree.ParseError) as error:
        print(f"count_results: {path}: {error}", file=sys.stderr)
        return []


def count(path):
    """(passed, failed) of one file."""
    cases = cases_of(path)
    passed = sum(1 for _, good in cases if good)
    return passed, len(cases) - passed if cases else 1


def main(arguments):
    if arguments[:1] == ["--failed"]:
        for path in arguments[1:]:
            for name, good in cases_of(path):
                if not good:
                    print(name)
        return
    results = [count(path) for path in arguments]
    print(sum(passed for passed, _ in results), sum(failed for _, failed in results))


if __name__ == "__main__":
    main(sys.argv[1:])
