"""`skeinmqctl store` beside a running broker, after a clean end, and after a kill.

The program is $SKEINMQCTL, or `skeinmqctl` where the build puts it beside $SKEINMQD.
"""

import base64
import json
import os
import pathlib
import subprocess

import pytest

from support.broker import BrokerError, external_address, program

states = pytest.mark.parametrize("state", ["running", "stopped", "killed"])


def tool_program():
    path = os.environ.get("SKEINMQCTL") or pathlib.Path(program()).resolve().parents[1] / "skeinmqctl" / "skeinmqctl"
    if not os.access(path, os.X_OK):
        raise BrokerError(f"set SKEINMQCTL=/path/to/skeinmqctl: {path} is not an executable file")
    return str(path)


class Store:
    """The tool on one data directory."""

    def __init__(self, data_dir):
        self.data_dir = str(data_dir)

    def run(self, command, *arguments, code=0):
        """Standard output; the exit code must be `code`, and only a failure may write to standard error."""
        done = subprocess.run([tool_program(), "store", command, "--data-dir", self.data_dir, *arguments], capture_output=True,
                              text=True, timeout=120, check=False)
        assert done.returncode == code, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert code != 0 or done.stderr == ""
        return done.stdout if code == 0 else done.stdout + done.stderr

    def json(self, command, *arguments):
        return json.loads(self.run(command, "--json", *arguments))

    def lines(self, *arguments):
        return [json.loads(line) for line in self.run("export", *arguments).splitlines()]


def fill(node):
    """An absent session with three queued messages, of which one has bytes that are no text, and two retained messages."""
    absent = node.join("keeper")
    absent.subscribe("work/#", qos=1)
    absent.subscribe("other/+", qos=2)
    absent.disconnect()
    absent.close()
    guest = node.guest()
    for payload in (b"first", b"\x00\xff", b"last"):
        guest.publish("work/a", payload, qos=1)
    guest.publish("place/1", b"here", qos=1, retain=True)
    guest.publish("place/2", b"there", qos=1, retain=True)
    guest.close()


@pytest.fixture
def store(node, state):
    if external_address():
        pytest.fail("these tests need a broker of their own")
    fill(node)
    if state != "running":
        node.end("stop" if state == "stopped" else "kill")
    return Store(node.data_dir)


@states
def test_inspect_counts(store, state):
    seen = store.json("inspect")
    assert seen["in_use"] == (state == "running")
    assert (seen["sessions"], seen["subscriptions"], seen["queued_messages"]) == (1, 2, 3)
    assert seen["retained"]["messages"] == 2
    assert sum(each["queued_messages"] for each in seen["partitions"]) == 3
    assert "queued messages  3" in store.run("inspect")


@states
def test_inspect_one_session(store, state):
    session = store.json("inspect", "--client-id", "keeper")
    assert session["client_id"] == "keeper"
    assert [(each["filter"], each["qos"]) for each in session["subscriptions"]] == [("other/+", 2), ("work/#", 1)]
    assert (session["connected"], session["queued_messages"], session["expiry_seconds"]) == (False, 3, 1000)
    partition = store.json("inspect", "--partition", str(session["partition"]))
    assert [each["client_id"] for each in partition["clients"]] == ["keeper"]
    assert "nobody" in store.run("inspect", "--client-id", "nobody", code=1)


@states
def test_verify_finds_nothing(store, state):
    checked = store.json("verify")
    assert checked["sound"] and checked["problems"] == []
    assert checked["retained"] == 2
    assert store.run("verify").rstrip().endswith("sound")


@states
def test_export(store, state):
    everything = store.lines("--all")
    assert [each["type"] for each in everything] == ["session", "queued", "queued", "queued", "retained", "retained"]
    payloads = [base64.b64decode(each["message"]["payload"]) for each in everything[1:]]
    assert payloads == [b"first", b"\x00\xff", b"last", b"here", b"there"]
    assert [each["message"]["topic"] for each in everything[1:]] == ["work/a"] * 3 + ["place/1", "place/2"]
    assert store.lines() == everything
    assert store.lines("--retained") == everything[4:]
    assert store.lines("--client-id", "keeper") == everything[:4]


@pytest.mark.parametrize("state", ["stopped"])
def test_a_damaged_file_is_told(store, state):
    tables = sorted(pathlib.Path(store.data_dir, "db").glob("*.sst"))
    assert tables, "a clean end leaves files of tables"
    for table in tables:
        content = bytearray(table.read_bytes())
        content[10] ^= 0xFF  # in the first block of data
        table.write_bytes(content)
    assert "problem: " in store.run("verify", code=1)


@pytest.mark.parametrize("state", ["running"])
def test_a_broker_goes_on_beside_the_tool(store, state, node):
    for _ in range(3):
        store.run("verify")
    node.guest().publish("work/a", b"more", qos=1)
    assert store.json("inspect", "--client-id", "keeper")["queued_messages"] == 4
    back = node.join("keeper")
    assert back.connack.session_present
    assert [back.receive().payload for _ in range(4)] == [b"first", b"\x00\xff", b"last", b"more"]


def test_wrong_command_lines(tmp_path):
    for arguments in (["store"], ["store", "inspect"], ["store", "mend", "--data-dir", "x"], ["--nonsense"], [],
                      ["store", "export", "--data-dir", "x", "--all", "--retained"]):
        done = subprocess.run([tool_program(), *arguments], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 2, arguments
        assert done.stderr or done.stdout
    missing = Store(tmp_path / "missing")
    assert "missing" in missing.run("inspect", code=1)
    assert "missing" in missing.run("verify", code=1)
    assert "missing" in missing.run("export", code=1)
