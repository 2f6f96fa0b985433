"""`skeinmqctl passwd`: files of users, its own and mosquitto_passwd's, and a broker that reads them.

The program is $SKEINMQCTL, or `skeinmqctl` where the build puts it beside $SKEINMQD.
"""

import base64
import hashlib
import hmac
import os
import pty
import re
import shutil
import stat
import subprocess

import pytest

import mqtt_wire as wire
from hostile import SECONDS
from mqtt_client import Client
from support.broker import Broker, accepts, external_address, free_port, wait_until
from test_store_tool import tool_program

ARGON2ID = re.compile(r"\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}")
needs_mosquitto = pytest.mark.skipif(not shutil.which("mosquitto_passwd"), reason="mosquitto_passwd is not installed")


def passwd(*arguments, password=None, code=0):
    """Standard output and error; the exit code must be `code`."""
    done = subprocess.run([tool_program(), "passwd", *map(str, arguments)], input=None if password is None else password + "\n",
                          stdin=subprocess.DEVNULL if password is None else None, capture_output=True, text=True, timeout=60,
                          check=False)
    assert done.returncode == code, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert code != 0 or done.stderr == ""
    assert password is None or len(password) < 4 or password not in done.stdout + done.stderr
    return done.stdout + done.stderr


def mode(file):
    return stat.S_IMODE(os.stat(file).st_mode)


@pytest.fixture
def users(tmp_path):
    return tmp_path / "users"


# --- the file ------------------------------------------------------------------------------------------------------------


def test_users_are_added_changed_and_removed(users):
    assert passwd(users, "ann", password="secret") == "user 'ann' added\n"
    assert mode(users) == 0o600
    assert re.fullmatch(rf"ann:{ARGON2ID.pattern}\n", users.read_text())
    before = users.read_text()
    assert passwd(users, "an", password="other") == "user 'an' added\n"
    assert users.read_text().startswith(before), "the beginning of a name is another name"
    assert passwd(users, "ann", password="secret") == "user 'ann' changed\n"
    first, second = users.read_text().splitlines()
    assert first.startswith("ann:") and first + "\n" != before and second.startswith("an:"), "in its place, with a new salt"
    assert passwd(users, "ann", "--delete") == "user 'ann' removed\n"
    assert users.read_text() == second + "\n"
    assert "no user 'ann'" in passwd(users, "ann", "--delete", code=1)
    assert os.listdir(users.parent) == ["users"], "nothing is left beside it"


def test_comments_order_mode_and_link_stay(users, tmp_path):
    passwd(users, "ann", password="secret")
    ann = users.read_text()
    users.write_text(f"# who may come in\n\n{ann}# the end")
    os.chmod(users, 0o640)
    (tmp_path / "link").symlink_to("users")
    passwd(tmp_path / "link", "bob", password="secret")
    assert (tmp_path / "link").is_symlink()
    lines = users.read_text().splitlines()
    assert lines[:4] == ["# who may come in", "", ann.strip(), "# the end"] and lines[4].startswith("bob:")
    assert mode(users) == 0o640


def test_the_password_comes_from_a_file(users, tmp_path):
    (tmp_path / "word").write_text("secret\nsecond line\n")
    passwd(users, "ann", "--scram", "--password-file", tmp_path / "word")
    assert scram_proves(users.read_text().strip().partition(":")[2], "secret")
    assert "has no first line" in passwd(users, "ann", "--password-file", tmp_path / "none", code=1)


@pytest.mark.parametrize("user", ["", "a:b", "#ann", "tab\tname", "line\nname", "del\x7f", b"\xff".decode("utf-8", "surrogateescape"),
                                  "\x85", "x" * 1025])
def test_names_that_are_refused(users, user):
    assert "a user name is" in passwd(users, user, password="secret", code=2)
    assert not users.exists()


def test_passwords_that_are_refused(users):
    assert "empty" in passwd(users, "ann", password="", code=1)
    assert "no password was given" in passwd(users, "ann", code=1)
    assert "printable ASCII" in passwd(users, "ann", "--scram", password="j\u00fcrg", code=1)
    passwd(users, "ann", "secret", code=2)  # never on the command line
    assert not users.exists()


@pytest.mark.parametrize("arguments", [["--scram", "--iterations", "4095"], ["--iterations", "5000"], ["--scram", "--iterations", "x"],
                                       ["--check"], ["--delete", "--password-file", "x"]])
def test_command_lines_that_are_refused(users, arguments):
    passwd(users, "ann", *arguments, password="secret", code=2)
    assert not users.exists()


def test_what_a_node_would_refuse_is_not_written(users):
    passwd(users, "ann", password="secret")
    users.write_text(users.read_text() + "bob:plain text\n")
    before = users.read_text()
    said = passwd(users, "eve", password="secret", code=1)
    assert f"{users}:2: the password is not hashed" in said and "plain text" not in said
    assert "users:1: not of the form SCRAM" in passwd(users, "eve", "--scram", password="secret", code=1)
    assert users.read_text() == before
    passwd(users, "bob", "--delete")  # the damage can be removed
    passwd(users, "eve", password="secret")
    assert "2 users" in passwd(users, "--check")


def test_a_folder_that_cannot_be_written(tmp_path):
    assert "cannot be written: No such file" in passwd(tmp_path / "none" / "users", "ann", password="secret", code=1)
    assert "cannot be read" in passwd(tmp_path, "ann", password="secret", code=1)


def test_check(users):
    assert "cannot be read" in passwd(users, "--check", code=1)
    users.write_text("# nobody\n")
    assert passwd(users, "--check") == f"{users}: 0 users: it lets nobody in\n"
    users.write_text("ann:secret\n")
    assert f"{users}:1: the password is not hashed" in passwd(users, "--check", code=1)
    users.unlink()
    passwd(users, "ann", "--scram", password="secret")
    assert passwd(users, "--check", "--scram") == f"{users}: 1 user\n"
    passwd(users, "--check", code=1)


def terminal(users, *answers):
    """The command at a terminal: what it showed, and its exit code."""
    child, master = pty.fork()
    if child == 0:
        os.execv(tool_program(), ["skeinmqctl", "passwd", str(users), "ann"])
    shown = b""
    for prompt, answer in zip((b"Password: ", b"Again: "), answers):
        while not shown.endswith(prompt):  # the echo is off before the prompt is there
            shown += os.read(master, 1024)
        os.write(master, answer.encode() + b"\n")
    try:
        while part := os.read(master, 1024):
            shown += part
    except OSError:  # the terminal is gone with the program
        pass
    os.close(master)
    return shown.decode(), os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_terminal_is_asked_twice_and_shows_nothing(users):
    shown, code = terminal(users, "secret", "secret")
    assert code == 0 and "user 'ann' added" in shown and "secret" not in shown
    before = users.read_text()
    shown, code = terminal(users, "secret", "secreT")
    assert code == 1 and "differ" in shown and "secre" not in shown
    assert users.read_text() == before


# --- SCRAM ---------------------------------------------------------------------------------------------------------------


def scram_proves(credential, password):
    """RFC 5802 3, computed once more."""
    head, keys = credential.rsplit("$", 1)
    name, figures = head.split("$")
    iterations, salt = figures.split(":")
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt, validate=True), int(iterations))
    client = hmac.digest(salted, b"Client Key", "sha256")
    wanted = [hashlib.sha256(client).digest(), hmac.digest(salted, b"Server Key", "sha256")]
    return name == "SCRAM-SHA-256" and [base64.b64decode(key, validate=True) for key in keys.split(":")] == wanted


def test_scram_credentials(users):
    passwd(users, "ann", "--scram", password="secret of ann")
    passwd(users, "bob", "--scram", "--iterations", "4096", password="secret")
    ann, bob = (line.partition(":")[2] for line in users.read_text().splitlines())
    assert ann.startswith("SCRAM-SHA-256$65536:") and bob.startswith("SCRAM-SHA-256$4096:")
    assert scram_proves(ann, "secret of ann") and scram_proves(bob, "secret")
    assert not scram_proves(bob, "Secret")
    assert mode(users) == 0o600


# --- the broker, and mosquitto's files -----------------------------------------------------------------------------------


def mosquitto_passwd(users, user, password, *arguments):
    create = [] if users.exists() else ["-c"]
    subprocess.run(["mosquitto_passwd", *arguments, *create, "-b", str(users), user, password], check=True, capture_output=True,
                   timeout=60)


def answer(address, user, password):
    """The reason code of CONNACK."""
    client = Client(address, 5)
    try:
        client.send(wire.connect(5, f"id-{user}", user=user, password=password))
        first, body = client.read_packet(SECONDS)
        assert first == wire.CONNACK << 4
        return body[1]
    finally:
        client.socket.close()


class Guarded:
    """A broker with a listener that asks a password file."""

    def __init__(self, folder, users):
        config = folder / "skeinmq.yaml"
        config.write_text(f"authentication:\n  - {{name: users, type: password_file, file: {users}}}\n")
        self.address = ("127.0.0.1", free_port())
        self.broker = Broker.start(arguments=["--config", str(config), "--listen",
                                              f"tcp://127.0.0.1:{self.address[1]}?authentication=users"])
        wait_until(lambda: accepts(self.address), SECONDS, "the guarded listener")

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.broker.__exit__(*error)


@pytest.mark.skipif(external_address() is not None, reason="needs a broker of its own")
@needs_mosquitto
def test_a_broker_reads_files_of_both_tools(users, tmp_path):
    mosquitto_passwd(users, "old", "secret one")
    mosquitto_passwd(users, "older", "secret two", "-H", "sha512")
    kinds = [line.split("$")[1] for line in users.read_text().splitlines()]
    assert kinds == ["7", "6"], "both of mosquitto's formats"
    assert passwd(users, "--check") == f"{users}: 2 users\n"
    passwd(users, "new", password="secret three")
    mosquitto_passwd(users, "newest", "secret four")
    assert [line.split("$")[1] for line in users.read_text().splitlines()] == ["7", "6", "argon2id", "7"], "each keeps the other's"
    passwords = {"old": "secret one", "older": "secret two", "new": "secret three", "newest": "secret four"}
    with Guarded(tmp_path, users) as guarded:
        for user, password in passwords.items():
            assert answer(guarded.address, user, password) == 0, user
            assert answer(guarded.address, user, password) == 0, f"{user}, remembered"
            assert answer(guarded.address, user, password + "x") == 0x86, user
            assert answer(guarded.address, user, None) == 0x86, user
            assert answer(guarded.address, user, "") == 0x86, user
        assert answer(guarded.address, "nobody", "secret one") in (0x86, 0x87)
        assert not [password for password in passwords.values() if password in guarded.broker.log()]


@pytest.mark.skipif(external_address() is not None, reason="needs a broker of its own")
def test_a_file_without_users_lets_nobody_in(users, tmp_path):
    users.write_text("# nobody\n")
    with Guarded(tmp_path, users) as guarded:
        assert answer(guarded.address, "ann", "") in (0x86, 0x87)
        assert answer(guarded.address, None, None) in (0x86, 0x87)
