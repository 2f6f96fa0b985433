"""Who may use a data directory, and what becomes of a damaged one."""

import subprocess

import pytest

from hostile import collect
from persistence import both
from support.broker import Broker, BrokerError, program

MESSAGES = 300


def test_a_second_process_is_refused(node):
    with pytest.raises(BrokerError, match="exited with 1(?s:.*)(lock|in use|another)"):
        Broker.start(data_dir=node.data_dir)
    client = node.join("c")
    client.subscribe("t", qos=1)
    node.again("stop")
    assert node.join("c").connack.session_present


@both
def test_nothing_is_left_to_do_for_an_empty_directory(node, how):
    for _ in range(3):
        node.again(how)
    assert not node.join("c").connack.session_present


def test_a_directory_that_cannot_be_written_is_refused(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(BrokerError, match="exited with 1"):
        Broker.start(data_dir=file / "data")


def test_a_newer_format_is_refused(node):
    """And nothing in the directory is changed by that."""
    node.join("c").subscribe("t", qos=1)
    node.end("stop")
    file = node.data_dir / "FORMAT"
    text = file.read_text()
    file.write_text(text.replace("version 1", "version 1000"))
    with pytest.raises(BrokerError, match="exited with 1(?s:.*)1000(?s:.*)newer"):
        node.start()
    file.write_text(text)
    assert node.start().join("c").connack.session_present


def test_a_directory_without_its_format_is_refused(node):
    node.end("stop")
    (node.data_dir / "FORMAT").unlink()
    with pytest.raises(BrokerError, match="exited with 1(?s:.*)FORMAT"):
        node.start()


# --- damage ---------------------------------------------------------------------------------------------------------------


def fill_and_kill(node):
    """A queue of MESSAGES; what was written is in the write-ahead log, which is the newest file of its kind."""
    node.join("c").subscribe("t", qos=1)
    node.close_clients()
    publisher = node.guest()
    for number in range(MESSAGES):
        publisher.publish("t", b"%d " % number + b"x" * 1000, qos=1)
    node.end("kill")
    log = max((node.data_dir / "db").glob("*.log"), key=lambda file: file.stat().st_size)
    assert log.stat().st_size > MESSAGES * 1000
    return log


def numbers(messages):
    return [int(message.payload.split()[0]) for message in messages]


def test_a_torn_tail_is_cut_off_and_told(node):
    """The last record is not whole: the power failed while it was written."""
    log = fill_and_kill(node)
    with open(log, "r+b") as file:
        file.truncate(log.stat().st_size - 500)
    client = node.start().join("c")
    assert client.connack.session_present
    assert numbers(collect(client, MESSAGES - 1)) == list(range(MESSAGES - 1))
    client.barrier()
    assert log.name in node.running.log()


def test_damage_is_refused_and_can_be_repaired(node):
    """A byte in the middle of the log is another: no start, until the operator gives up what follows it."""
    log = fill_and_kill(node)
    with open(log, "r+b") as file:
        file.seek(log.stat().st_size // 2)
        byte = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([byte[0] ^ 0xFF]))
    for _ in range(2):
        with pytest.raises(BrokerError, match="exited with 1(?s:.*)--repair"):
            node.start()
    repaired = subprocess.run([program(), "--data-dir", str(node.data_dir), "--repair"], capture_output=True, text=True, timeout=60,
                              check=False)
    assert repaired.returncode == 0, repaired.stderr
    dropped = list(node.data_dir.glob("dropped-*"))
    assert len(dropped) == 1 and dropped[0].stat().st_size > MESSAGES * 1000 // 3
    client = node.start().join("c")
    assert client.connack.session_present
    came = [int(client.take().payload.split()[0])]
    while came[-1] < MESSAGES // 2 - 10:
        came.append(int(client.take().payload.split()[0]))
    assert came == list(range(len(came)))
