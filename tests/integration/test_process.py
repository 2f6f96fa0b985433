"""skeinmqd as a process: command line, configuration, listeners, signals, logs, exit codes."""

import json
import os
import re
import signal
import socket
import subprocess

import pytest

import mqtt_wire as wire
from hostile import SECONDS
from mqtt_client import DEADLINE, Client
from support.broker import BrokerError, Broker, accepts, free_port, program, wait_until


def run(*arguments, environment=None):
    """Runs the program to its end; gives exit code, stdout and stderr."""
    done = subprocess.run([program(), *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS,
                          env={**os.environ, **(environment or {})}, check=False)
    return done.returncode, done.stdout, done.stderr


def events(broker):
    """The events in a JSON log. Every line must parse."""
    return [json.loads(line) for line in broker.log().splitlines()]


# --- command line and configuration --------------------------------------------------------------------------------------


def test_help_names_every_flag():
    code, out, _ = run("--help")
    assert code == 0
    for flag in ("--config", "--set", "--listen", "--data-dir", "--admin-listen", "--node-id", "--shards", "--check-config",
                 "--version"):
        assert flag in out


def test_version():
    code, out, _ = run("--version")
    assert code == 0 and out.startswith("skeinmqd ") and out.split()[1][0].isdigit()


def test_check_config_of_a_good_file(tmp_path):
    file = tmp_path / "good.yaml"
    file.write_text("log:\n  level: warn\n  format: json\nlisteners:\n  - tcp://127.0.0.1:0\nlimits.max_inflight: 20\n")
    code, _, err = run("--config", str(file), "--check-config")
    assert (code, err) == (0, "")


def test_check_config_looks_at_the_files_that_it_names(tmp_path):
    file = tmp_path / "skeinmq.yaml"
    file.write_text(f"authentication: [{{name: users, type: password_file, file: {tmp_path}/none.txt}}]\n"
                    "listeners: [{url: 'tcp://127.0.0.1:0', authentication: [users]}]\n")
    code, _, err = run("--config", str(file), "--check-config")
    assert code == 2 and "'users'" in err and "none.txt: cannot be read" in err


@pytest.mark.parametrize("text, place, wanted", [
    ("limits:\n  max_inflight: abc\n", "2:", ["limits.max_inflight", "abc", "1..65535"]),
    ("limits:\n  max_inflight: 0\n", "2:", ["limits.max_inflight", "1..65535"]),
    ("log:\n  levle: info\n", "2:", ["log.levle", "log.level"]),
    ("node:\n  id: a\nlog:\n  format: xml\n", "4:", ["log.format", "xml", "text", "json"]),
    ("listeners:\n  - tcp://127.0.0.1:99999\n", "2:", ["listeners"]),
    ("shards: 1\nshards: 2\n", "2:", ["shards"]),
    ("log: [\n", "", []),
])
def test_check_config_of_a_bad_file(tmp_path, text, place, wanted):
    """File, line, key and what is allowed are named; exit code 2, also without --check-config."""
    file = tmp_path / "bad.yaml"
    file.write_text(text)
    for arguments in (["--check-config"], []):
        code, _, err = run("--config", str(file), *arguments)
        assert code == 2
        assert f"{file}:{place}" in err
        for word in wanted:
            assert word in err


@pytest.mark.parametrize("arguments, wanted", [
    (["--set", "limits.nothing=1"], "limits.nothing"),
    (["--set", "no_equals_sign"], "KEY=VALUE"),
    (["--set", "shards=many"], "shards"),
    (["--listen", "http://127.0.0.1:80"], "tcp://"),
    (["--frobnicate"], "--frobnicate"),
    (["--config", "/does/not/exist.yaml"], "/does/not/exist.yaml"),
])
def test_wrong_command_lines(arguments, wanted):
    code, _, err = run(*arguments)
    assert code == 2 and wanted in err


def test_the_later_source_wins(tmp_path):
    """File, then environment, then --set, as --print-config shows."""
    file = tmp_path / "broker.yaml"
    file.write_text("node.id: from-file\nlog.level: error\nlimits.max_inflight: 7\n")
    code, out, _ = run("--config", str(file), "--set", "limits.max_inflight=9", "--print-config",
                       environment={"SKEINMQ_LOG_LEVEL": "debug", "SKEINMQ_LIMITS_MAX_INFLIGHT": "8"})
    assert code == 0
    for wanted in ("from-file", "debug", "max_inflight: 9"):
        assert wanted in out


def test_environment_reaches_the_running_broker(start_broker):
    broker = start_broker(environment={"SKEINMQ_LOG_FORMAT": "json", "SKEINMQ_LIMITS_RECEIVE_MAXIMUM": "17"})
    client = Client(broker.address, 5).handshake("env")
    assert wire.value_of(client.connack, wire.RECEIVE_MAXIMUM) == 17
    client.disconnect()
    assert wait_until(lambda: events(broker), SECONDS, "events are logged")


def test_settings_reach_the_running_broker(start_broker):
    broker = start_broker(settings={"limits.topic_alias_maximum": 3, "limits.max_packet_size": "1KiB",
                                    "limits.server_keep_alive": "42s", "limits.max_session_expiry": "1h"})
    client = Client(broker.address, 5).handshake("set", keep_alive=600, props=[(wire.SESSION_EXPIRY, 0xFFFFFFFF)])
    values = {identifier: wire.value_of(client.connack, identifier) for identifier in
              (wire.TOPIC_ALIAS_MAXIMUM, wire.MAXIMUM_PACKET_SIZE, wire.SERVER_KEEP_ALIVE, wire.SESSION_EXPIRY)}
    assert values == {wire.TOPIC_ALIAS_MAXIMUM: 3, wire.MAXIMUM_PACKET_SIZE: 1024, wire.SERVER_KEEP_ALIVE: 42,
                      wire.SESSION_EXPIRY: 3600}
    client.disconnect()


# --- starting -------------------------------------------------------------------------------------------------------------


def test_port_in_use(start_broker):
    broker = start_broker()
    code, _, err = run("--listen", f"tcp://127.0.0.1:{broker.port}")
    assert code == 1
    assert str(broker.port) in err and "in use" in err


def test_two_listeners(start_broker):
    second = free_port()
    broker = start_broker(arguments=["--listen", f"tcp://127.0.0.1:{second}"])
    wait_until(lambda: accepts(("127.0.0.1", second)), SECONDS, "the second listener is open")
    one, two = Client(broker.address, 5).handshake("one"), Client(("127.0.0.1", second), 4).handshake("two")
    two.subscribe("between/listeners", qos=1)
    one.publish("between/listeners", b"x", qos=1)
    assert two.take().payload == b"x"
    for client in (one, two):
        client.close()


def test_one_listener_in_use_stops_all(start_broker):
    broker, port = start_broker(), free_port()
    code, _, _ = run("--listen", f"tcp://127.0.0.1:{port}", "--listen", f"tcp://127.0.0.1:{broker.port}")
    assert code == 1 and not accepts(("127.0.0.1", port))


def test_ipv6(start_broker):
    broker = start_broker(host="::1")
    client = Client(broker.address, 5).handshake("six")
    client.subscribe("six")
    client.publish("six", b"x")
    assert client.take().payload == b"x"
    client.disconnect()


@pytest.mark.parametrize("version, refusal", [(3, 5), (4, 5), (5, 0x87)])
def test_anonymous_is_refused_beyond_loopback(start_broker, version, refusal):
    """The listener's address decides, not the client's."""
    broker = start_broker(host="0.0.0.0")
    client = Client(("127.0.0.1", broker.port), version)
    client.send(wire.connect(version, "somebody"))
    assert client.expect_refused(refusal, *([4, 0x86] if version < 5 else [0x86])).reason
    wait_until(lambda: "anonymous" in broker.log(), SECONDS, "the log says why")


def test_anonymous_is_served_where_configured():
    port = free_port("0.0.0.0")
    url = f"tcp://0.0.0.0:{port}?allow_anonymous=true"
    with Broker.start(arguments=["--listen", url]) as broker:
        wait_until(lambda: accepts(("127.0.0.1", port)), SECONDS, "the second listener is open")
        assert broker.running()
        Client(("127.0.0.1", port), 5).handshake("somebody").disconnect()


def test_a_listener_can_be_closed_to_anonymous_clients():
    port = free_port()
    with Broker.start(arguments=["--listen", f"tcp://127.0.0.1:{port}?allow_anonymous=false"]):
        wait_until(lambda: accepts(("127.0.0.1", port)), SECONDS, "the second listener is open")
        client = Client(("127.0.0.1", port), 5)
        client.send(wire.connect(5, "somebody"))
        client.expect_refused(0x86, 0x87)


def test_configuration_file_runs(tmp_path):
    """A broker that gets everything from a file."""
    port = free_port()
    file = tmp_path / "broker.yaml"
    file.write_text(f"node:\n  id: from-file\nshards: 1\nlog:\n  format: json\nlisteners:\n  - url: tcp://127.0.0.1:{port}\n"
                    "    name: here\nlimits:\n  receive_maximum: 5\n")
    with open(tmp_path / "log", "wb") as log:
        process = subprocess.Popen([program(), "--config", str(file)], stdin=subprocess.DEVNULL, stderr=log)
    try:
        wait_until(lambda: accepts(("127.0.0.1", port)), SECONDS, "the broker listens")
        client = Client(("127.0.0.1", port), 5).handshake("c")
        assert wire.value_of(client.connack, wire.RECEIVE_MAXIMUM) == 5
    finally:
        process.terminate()
        assert process.wait(SECONDS) == 0
    client.expect_closed(0x8B)
    assert "from-file" in (tmp_path / "log").read_text()


# --- stopping -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("shards", [1, 2])
def test_clean_stop_with_clients_connected(start_broker, sig, shards):
    """MQTT 5 clients are told 0x8B, the others find their connection closed; connections without CONNECT do not hold it up."""
    broker = start_broker(shards=shards)
    clients = [Client(broker.address, version).handshake(f"c{version}{number}") for number in range(5) for version in (3, 4, 5)]
    clients[0].subscribe("will/#")
    silent = socket.create_connection(broker.address)
    broker.stop(sig)
    for client in clients:
        if client.version == 5:
            client.expect(wire.DISCONNECT, reason=0x8B)
        client.expect_closed()
    try:
        assert silent.recv(10) == b""
    except ConnectionResetError:
        pass  # the broker ended before it had accepted it
    silent.close()
    assert not accepts(broker.address)


def test_stop_while_messages_flow(start_broker):
    """A stop in the middle of traffic is a clean one too."""
    broker = start_broker(shards=2)
    subscriber, publisher = Client(broker.address, 5).handshake("s"), Client(broker.address, 4).handshake("p")
    subscriber.subscribe("flow/#", qos=1)
    for number in range(2000):
        publisher.send(wire.publish(4, "flow/t", b"x" * 1000, 1, number + 1))
    broker.stop()
    for client in (subscriber, publisher):
        client.close()


def test_second_signal_during_stop(start_broker):
    broker = start_broker(shards=2)
    broker.process.send_signal(signal.SIGINT)
    try:
        broker.process.send_signal(signal.SIGTERM)
    except ProcessLookupError:
        pass
    assert broker.process.wait(SECONDS) == 0


# --- logs -----------------------------------------------------------------------------------------------------------------


def test_json_logs_parse_line_by_line(start_broker, name):
    """Also with client ids and topics that try to forge lines."""
    broker = start_broker(settings={"log.format": "json", "log.level": "debug"})
    evil = name + '"}\n{"event":"forged"}\u2028\x7f'
    for version in (4, 5):
        client = Client(broker.address, version)
        client.send(wire.connect(version, evil))
        client.receive()
        client.send(wire.publish(version, evil + "/t", b"x"), b"\x00\x00")
        client.close()
    broken = Client(broker.address, 4)
    broken.send(b"GET / HTTP/1.1\r\n\r\n")
    broken.expect_closed()
    broker.process.terminate()
    assert broker.process.wait(SECONDS) == 0
    lines = events(broker)
    assert {"time", "level", "event"} <= set(lines[0])
    assert all(isinstance(line, dict) and line["event"] != "forged" for line in lines)
    names = [line["event"] for line in lines]
    assert "listener.ready" in names and "broker.stopping" in names


def test_text_logs_have_one_line_an_event(start_broker, name):
    broker = start_broker(settings={"log.level": "debug"})
    client = Client(broker.address, 5).handshake(name + "\nforged ERROR line")
    client.close()
    broker.process.terminate()
    assert broker.process.wait(SECONDS) == 0
    log = broker.log()
    assert "listener.ready" in log
    assert not any(line.startswith("forged") for line in log.splitlines())


def test_what_grpc_says_is_in_the_log(start_broker):
    port, other = free_port(), free_port()
    broker = start_broker(shards=1, environment={"GRPC_VERBOSITY": "info"}, settings={"cluster.join_timeout_ms": "100ms"},
                          arguments=["--node-id", "a", "--cluster-listen", f"127.0.0.1:{port}",
                                     "--peers", f"a=127.0.0.1:{port},b=127.0.0.1:{other}"])
    wait_until(lambda: " INFO grpc.said text=" in broker.log(), DEADLINE, "gRPC says something")
    lines = (broker.folder / "stderr").read_text().splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\dT\S+Z [A-Z]+ [a-z]+\.[a-z_]+", line) for line in lines), lines


def test_log_level(start_broker):
    broker = start_broker(settings={"log.level": "error"})
    Client(broker.address, 5).handshake("quiet").disconnect()
    assert broker.log() == ""


def test_a_broken_pipe_on_the_log_does_not_stop_the_broker():
    """Whoever read the log has gone: clients are served all the same."""
    port = free_port()
    process = subprocess.Popen([program(), "--listen", f"tcp://127.0.0.1:{port}", "--set", "log.level=debug"],
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        wait_until(lambda: accepts(("127.0.0.1", port)), SECONDS, "the broker listens")
        process.stderr.close()
        for number in range(5):
            Client(("127.0.0.1", port), 5).handshake(f"c{number}").disconnect()
    finally:
        process.terminate()
        assert process.wait(SECONDS) == 0


def test_a_broker_that_fails_to_start_is_told():
    """The launcher of these tests itself: a failing start is an error with the log, not a time-out."""
    with pytest.raises(BrokerError, match="limits.nothing"):
        Broker.start(settings={"limits.nothing": 1})
