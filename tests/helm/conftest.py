"""Puts the folders of the other suites on the path."""

import os
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
for folder in (HERE, HERE.parent, HERE.parent / "cluster", HERE.parent / "integration", HERE.parent / "conformance"):
    sys.path.insert(0, str(folder))

os.environ.setdefault("CONFORMANCE_DEADLINE", "60")
