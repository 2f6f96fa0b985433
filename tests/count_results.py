"""Adds up JUnit result files.

    python3 tests/count_results.py FILE...

Prints "PASSED FAILED". A file that is missing, unreadable or without a single test counts as one failure, and so does a
skipped test: nothing that was not run counts as passed.
"""

import sys
import xml.etree.ElementTree

BAD = ("failure", "error", "skipped")


def count(path):
    """(passed, failed) of one file."""
    try:
        cases = list(xml.etree.ElementTree.parse(path).iter("testcase"))
    except (OSError, xml.etree.ElementTree.ParseError) as error:
        print(f"count_results: {path}: {error}", file=sys.stderr)
        return 0, 1
    failed = sum(1 for case in cases if any(case.find(tag) is not None for tag in BAD))
    return len(cases) - failed, failed if cases else 1


def main(paths):
    results = [count(path) for path in paths]
    print(sum(passed for passed, _ in results), sum(failed for _, failed in results))


if __name__ == "__main__":
    main(sys.argv[1:])
