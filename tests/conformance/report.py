"""Writes docs/conformance.md: each normative statement, the tests that prove it, and their result.

    SKEINMQD=build/release/cmd/skeinmqd/skeinmqd python3 -m pytest tests/conformance --junitxml=results.xml
    python3 tests/conformance/report.py results.xml            write the page
    python3 tests/conformance/report.py --check results.xml    compare the page with the results, write nothing

Exit code 1 when a statement that binds a server has neither a test nor a reason, when a test failed, or when --check finds that
the page differs.
"""

import collections
import pathlib
import sys
import xml.etree.ElementTree

import statements

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "conformance.md"
TITLES = {"3.1.1": "MQTT 3.1.1", "5.0": "MQTT 5.0"}
INTRODUCTION = """# Conformance

Every normative statement of MQTT 3.1.1 and MQTT 5.0, what it asks for in our words, whom it binds, the tests that prove it and
their result. The tests drive the broker over TCP with raw bytes; they are in `tests/conformance/`. A statement that cannot be
shown from outside has the reason instead. This page is generated from the tests: see `tests/conformance/report.py`.

A statement that binds clients is listed with the tests that show how the broker treats a client that breaks it.
"""


def read(path):
    """{(spec, number): {test: [passed of each run]}} and the same per test for protocol level 3."""
    proofs = collections.defaultdict(lambda: collections.defaultdict(list))
    counts = collections.Counter()
    for case in xml.etree.ElementTree.parse(path).iter("testcase"):
        passed = not any(case.find(tag) is not None for tag in ("failure", "error", "skipped"))
        test = case.get("classname").rpartition(".")[2] + "::" + case.get("name").partition("[")[0]
        for entry in case.iter("property"):
            if entry.get("name") == "statement":
                spec, number = entry.get("value").split()
                proofs[spec, number][test].append(passed)
            elif entry.get("name") == "version":
                counts[entry.get("value"), passed] += 1
    return proofs, counts


def outcome(runs):
    if not runs:
        return "-"
    return "passed" if all(runs) else f"**FAILED** ({runs.count(False)} of {len(runs)})"


def row(entry, tests):
    runs = [passed for own in tests.values() for passed in own]
    names = "<br>".join(f"`{test}`" + (f" x{len(own)}" if len(own) > 1 else "") for test, own in sorted(tests.items()))
    proof = names or (f"not tested: {entry.reason}" if entry.reason else "**MISSING**")
    gist = entry.gist.replace("|", "\\|")
    return f"| {entry.number[5:]} | {gist} | {entry.binds} | {proof} | {outcome(runs)} |"


def summary(spec, proofs):
    """One row of the table of sums."""
    table = statements.REGISTRY[spec]
    binding = [entry for entry in table.values() if entry.binds != statements.CLIENT]
    proven = [entry for entry in binding if proofs[spec, entry.number]]
    good = [entry for entry in proven if all(all(runs) for runs in proofs[spec, entry.number].values())]
    reasons = [entry for entry in binding if not proofs[spec, entry.number] and entry.reason]
    return (f"| {TITLES[spec]} | {len(table)} | {len(binding)} | {len(proven)} | {len(good)} | {len(reasons)} "
            f"| {len(binding) - len(proven) - len(reasons)} |")


def page(proofs, counts):
    lines = [INTRODUCTION, "| | statements | bind a server | tested | passed | with a reason instead | missing |",
             "| --- | --- | --- | --- | --- | --- | --- |"]
    lines += [summary(spec, proofs) for spec in statements.REGISTRY]
    old = counts["3", True] + counts["3", False]
    lines += ["", f"MQTT 3.1 has no numbered statements: {old} of the tests run in 3.1 as well, {counts['3', True]} passed."]
    for spec, table in statements.REGISTRY.items():
        lines += ["", f"## {TITLES[spec]}", "", "| Statement | Gist | Binds | Tests | Result |", "| --- | --- | --- | --- | --- |"]
        lines += [row(entry, proofs[spec, number]) for number, entry in table.items()]
    return "\n".join(lines) + "\n"


def problems(proofs):
    for spec, table in statements.REGISTRY.items():
        for number, entry in table.items():
            tests = proofs[spec, number]
            if not tests and not entry.reason:
                yield f"{spec} {number}: no test and no reason"
            yield from (f"{spec} {number}: {test} failed" for test, runs in tests.items() if not all(runs))


def main(arguments):
    check = "--check" in arguments
    paths = [argument for argument in arguments if argument != "--check"]
    if len(paths) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    proofs, counts = read(paths[0])
    text = page(proofs, counts)
    found = list(problems(proofs))
    if check and (not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != text):
        found.append(f"{PAGE} is not what the tests say: run report.py without --check")
    if not check:
        PAGE.write_text(text, encoding="utf-8")
    print("\n".join(found) or "conformance: every statement is proven or has its reason")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
