"""What the chart renders to, by the real programs, and the values files of helm/skeinmq/ci."""

import functools
import os
import pathlib
import subprocess

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHART = ROOT / "helm" / "skeinmq"
TOOLS = pathlib.Path(os.environ.get("HELM_TOOLS") or ROOT / "build" / "helm")
PROGRAMS = ("helm3", "helm4")
CI = sorted((CHART / "ci").glob("*.yaml"))
OLDEST, NEWEST = "1.27", "1.37"


def helm(program, *arguments, code=0):
    """Runs Helm; returns what it printed, to standard error where it fails."""
    path = TOOLS / program
    assert path.exists(), f"{path} is missing: tests/helm/setup.sh fetches it"
    done = subprocess.run([path, *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == code, (arguments, done.stdout[-2000:], done.stderr[-4000:])
    return done.stdout if code == 0 else done.stderr + done.stdout


@functools.lru_cache(maxsize=None)
def text_of(program, *arguments, release="mq", namespace="iot"):
    return helm(program, "template", release, CHART, "--namespace", namespace, *arguments)


def render(*arguments, program="helm4", **names):
    """The documents, by (kind, name)."""
    documents = [each for each in yaml.safe_load_all(text_of(program, *arguments, **names)) if each]
    found = {(each["kind"], each["metadata"]["name"]): each for each in documents}
    assert len(found) == len(documents), "two objects have one name"
    return found


def validate(text, *versions):
    """The mistakes that Kubernetes of these versions would see."""
    done = subprocess.run([TOOLS / "python" / "bin" / "python", ROOT / "tests" / "helm" / "validate.py", *versions], input=text,
                          capture_output=True, text=True, timeout=300, check=False)
    assert done.stderr == "", done.stderr
    assert bool(done.stdout.strip()) == (done.returncode == 1)
    return done.stdout.split("\n")[:-1] if done.stdout.strip() else []


def broken_copy(tmp_path, file, before, after):
    """A copy of the chart in which a text of one file is another."""
    import shutil
    copy = tmp_path / "skeinmq"
    shutil.copytree(CHART, copy)
    text = (copy / file).read_text()
    assert before in text, f"{before!r} is not in {file}"
    (copy / file).write_text(text.replace(before, after, 1))
    return copy


with_both = pytest.mark.parametrize("program", PROGRAMS)
