#!/usr/bin/env python3
"""Writes the table of values in skeinmq/README.md from the comments in values.yaml.

    helm/readme.py [--check]

A comment that begins with "# --" describes the value below it. --check only says whether the file is as it should be.
"""

import json
import pathlib
import re
import sys

import yaml

CHART = pathlib.Path(__file__).resolve().parent / "skeinmq"
BEGIN, END = "<!-- values: made by helm/readme.py -->", "<!-- end of values -->"
KEY = re.compile(r"^( *)([A-Za-z]\w*):(?: |$)")


def comments(text):
    """What is said of each value, by its path."""
    found, path, said = {}, [], None
    for line in text.splitlines():
        if line.strip().startswith("# -- "):
            said = line.strip()[5:]
            continue
        match = KEY.match(line)
        if match:
            path = [*path[:len(match.group(1)) // 2], match.group(2)]
            if said:
                found[".".join(path)] = said
        said = None
    return found


def rows(values, said, path=""):
    for key, value in values.items():
        name = f"{path}{key}"
        if isinstance(value, dict) and value and (name not in said or len(json.dumps(value)) > 100):
            if name in said:
                yield name, "", said[name]
            yield from rows(value, said, f"{name}.")
        else:
            yield name, json.dumps(value), said.get(name, "")


def table():
    text = (CHART / "values.yaml").read_text()
    lines = ["| Value | Default | Meaning |", "| --- | --- | --- |"]
    for name, default, meaning in rows(yaml.safe_load(text), comments(text)):
        lines.append(f"| `{name}` | {f'`{default}`' if default else ''} | {meaning} |")
    return "\n".join(lines)


def main(arguments):
    readme = CHART / "README.md"
    before = readme.read_text()
    head, rest = before.split(BEGIN)
    after = f"{head}{BEGIN}\n{table()}\n{END}{rest.split(END)[1]}"
    if arguments == ["--check"]:
        if after != before:
            print("helm/skeinmq/README.md is not what helm/readme.py makes of values.yaml", file=sys.stderr)
        return int(after != before)
    readme.write_text(after)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
