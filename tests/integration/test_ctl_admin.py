"""skeinmqctl against a running node: lists, changes, top, completion in real shells, backup and restore."""

import json
import os
import subprocess

import pytest
from admin_client import ask
from mqtt_client import DEADLINE, Client
from persistence import LASTING
from support.broker import Broker, program, wait_until
import mqtt_wire as wire
from mqtt_wire import CONNACK, DISCONNECT, PUBLISH


def ctl_path():
    return os.environ.get("SKEINMQCTL") or program().replace("skeinmqd", "skeinmqctl")


def ctl(*arguments, code=0, stdin=None):
    done = subprocess.run([ctl_path(), *arguments], capture_output=True, text=True, timeout=120, input=stdin)
    assert done.returncode == code, (arguments, done)
    return done.stdout if code == 0 else done.stdout + done.stderr


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    folder = tmp_path_factory.mktemp("node")
    config = folder / "skeinmq.yaml"
    config.write_text("limits:\n  max_inflight: 7\n")
    with Broker.start(shards=2, data_dir=folder / "data", arguments=["--config", str(config), "--node-id", "n1"],
                      settings={"backup.directory": folder / "backups"}) as running:
        wait_until(lambda: ask(running, "/readyz")[0] == 200, DEADLINE, "it is ready")
        running.server = ["--server", running.admin_url()]
        yield running


def test_clients(node, name):
    client = Client(node.address, 5).handshake(f"{name}-1")
    client.subscribe(f"{name}/a", qos=1)
    lines = ctl("clients", "list", "--prefix", name, *node.server).splitlines()
    assert lines[0].split()[:2] == ["CLIENT", "NODE"] and lines[1].split()[:3] == [f"{name}-1", "n1", "n1"] and len(lines) == 2
    assert json.loads(ctl("clients", "list", "--prefix", name, "--json", *node.server))["clients"][0]["connected"]
    others = [Client(node.address, 5).handshake(f"{name}-{number}") for number in range(2, 5)]
    assert len(ctl("clients", "list", "--prefix", name, "--limit", "3", *node.server).splitlines()) == 4
    assert len(ctl("clients", "list", "--prefix", name, "--all", *node.server).splitlines()) == 5
    assert len(ctl("clients", "list", "--prefix", name, "--offline", *node.server).splitlines()) == 1
    shown = ctl("clients", "show", f"{name}-1", *node.server)
    assert f"{name}/a" in shown and "protocol_version" in shown
    assert f"{name}/a" in ctl("subscriptions", "--client", f"{name}-1", *node.server)
    assert ctl("clients", "kick", f"{name}-1", *node.server) == "disconnected\n"
    assert client.expect(DISCONNECT).reason == 0x98
    assert "no client" in ctl("clients", "show", f"{name}-1", *node.server, code=3)
    assert f"{name}-1" in ctl("events", "--kind", "client.disconnected", *node.server)
    ctl("clients", "list", "--connected", "--offline", *node.server, code=2)
    hostile = Client(node.address, 5).handshake(f"{name}-\x1b[2J")
    assert "\x1b" not in ctl("clients", "list", "--prefix", name, *node.server), "a terminal is not for clients to control"
    for each in (client, hostile, *others):
        each.close()


def test_messages(node, name):
    assert "nobody" in ctl("publish", f"{name}/a", "--message", "one", "--retain", *node.server)
    ctl("publish", f"{name}/b", "--file", "-", "--retain", "--qos", "2", "--user-property", "k=v", *node.server, stdin="two")
    listed = ctl("retained", "list", f"{name}/#", *node.server)
    assert [line.split()[-1] for line in listed.splitlines()] == ["TOPIC", f"{name}/a", f"{name}/b"]
    assert ctl("retained", "get", f"{name}/b", *node.server) == "two"
    assert "nothing is retained" in ctl("retained", "get", f"{name}/c", *node.server, code=3)
    assert ctl("retained", "delete", f"{name}/#", *node.server) == "2 removed\n"
    ctl("publish", f"{name}/+", "--message", "x", *node.server, code=3)


def test_bans_and_settings(node, name):
    assert ctl("bans", "add", "--client-id", name, "--seconds", "600", "--note", "why", *node.server) == "banned\n"
    assert name in ctl("bans", "list", *node.server)
    assert ctl("bans", "remove", "--client-id", name, *node.server) == "no longer banned\n"
    ctl("bans", "remove", "--client-id", name, *node.server, code=3)
    ctl("bans", "add", *node.server, code=2)
    rows = [line.split() for line in ctl("config", "--changed", *node.server).splitlines()]
    assert ["limits.max_inflight", "file:2", "7"] in rows and not [row for row in rows if row[1] == "default"]
    assert ctl("log-level", "debug", *node.server).split()[-1] == "debug"
    assert ctl("reload", *node.server).split()[3:5] == ["n1", "yes"]
    assert ctl("log-level", *node.server).split()[-1] == "info"
    top = ctl("top", "--once", *node.server).splitlines()
    assert top[0].split()[:2] == ["NODE", "STATE"] and top[1].split()[:2] == ["n1", "serving"]


def complete(shell, words):
    """What the shell offers for the last word."""
    if shell == "bash":
        script = f"""source <({ctl_path()} completion bash)
COMP_WORDS=(skeinmqctl {' '.join(f"'{word}'" for word in words)}); COMP_CWORD={len(words)}
_skeinmqctl; printf '%s\\n' "${{COMPREPLY[@]}}" """
        command = ["bash", "--norc", "-c", script]
    else:
        script = f"""compdef() {{ }}; compadd() {{ shift; print -l -- ${{(P)1}} }}; _files() {{ print FILES }}
source <({ctl_path()} completion zsh)
words=(skeinmqctl {' '.join(f"'{word}'" for word in words)}); CURRENT={len(words) + 1}
_skeinmqctl"""
        command = ["zsh", "-f", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stderr == "", done
    return [word for word in done.stdout.split() if word.startswith(words[-1])]


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion_in_a_real_shell(shell):
    assert {"clients", "completion", "cluster"} <= set(complete(shell, ["c"]))
    assert set(complete(shell, ["clients", ""])) >= {"list", "show", "kick", "delete"}
    assert "--prefix" in complete(shell, ["clients", "list", "--server", "http://h", "--p"])
    assert "--client-id" in complete(shell, ["bans", "add", "--"])
    assert "--retain" not in complete(shell, ["clients", "list", "--"])
    if shell == "zsh":
        assert complete(shell, ["publish", "t", "--file", ""]) == ["FILES"]


def test_backup_and_restore(node, name, tmp_path):
    """A copy of a running node is sound, and a node that is started from it has sessions, queues and retained messages of then."""
    client = Client(node.address, 5).handshake(f"{name}-s", clean=False, props=LASTING)
    client.subscribe(f"{name}/q", qos=1)
    client.disconnect()
    publisher = Client(node.address, 5).handshake()
    publisher.publish(f"{name}/q", b"queued", qos=1)
    publisher.publish(f"{name}/r", b"kept", qos=1, retain=True)
    made = json.loads(ctl("backup", name, "--json", *node.server))["nodes"][0]
    publisher.publish(f"{name}/r", b"later", qos=1, retain=True)
    publisher.publish(f"{name}/q", b"later", qos=1)
    assert "sound" in ctl("store", "verify", "--data-dir", made["path"])
    assert "there already" in ctl("backup", name, *node.server, code=3)
    with Broker.start(shards=1, data_dir=made["path"], arguments=["--node-id", "n1"]) as restored:
        again = Client(restored.address, 5)
        again.send(wire.connect(5, f"{name}-s", clean=False, props=LASTING))
        assert again.expect(CONNACK, reason=0).session_present
        assert again.expect(PUBLISH, qos=1).payload == b"queued"
        again.send(wire.pingreq())
        assert again.receive().kind != PUBLISH, "what came later is not in it"
        again.close()
        reader = Client(restored.address, 5).handshake()
        reader.subscribe(f"{name}/r")
        assert reader.expect(PUBLISH).payload == b"kept"
        reader.close()
    publisher.close()
    assert node.running() and "error" not in json.dumps(ask(node, "/readyz")[1])
