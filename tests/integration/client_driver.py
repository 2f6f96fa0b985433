"""Real MQTT clients behind one face, so that a scenario is written once and run with each of them.

A driver is a program around one client library (drivers/). It takes requests on stdin and answers on stdout, one line each:

    operation key=value ...        request; values are percent-encoded bytes, `user` may occur several times as name=value
    = key=value ...                its answer, or
    ! error=...                    its failure
    msg topic= qos= retain= dup= payload=|file= ...    a message received (a large payload is put into a file), at any time
    closed                         the connection ended, at any time

Operations: connect, subscribe, unsubscribe, publish, burst (count messages with the payloads 0, 1, 2 ...), disconnect.
mosquitto_pub and mosquitto_sub have no such driver; MosquittoClient gives them the same face as far as they go.
"""

import collections
import dataclasses
import json
import os
import pathlib
import queue
import subprocess
import threading
import time
import urllib.parse

SECONDS = float(os.environ.get("INTEGRATION_PATIENCE", "60"))
HERE = pathlib.Path(__file__).resolve().parent
VERSIONS = ("31", "311", "5")
DRIVER_KINDS = ("paho1", "paho2", "pahoc", "mqttjs")
ALL_KINDS = DRIVER_KINDS + ("mosquitto",)


@dataclasses.dataclass
class Message:
    """A received PUBLISH. `properties` has single values, `user` keeps order and repeated names."""
    topic: str
    payload: bytes
    qos: int
    retain: bool
    dup: bool = False
    properties: dict = dataclasses.field(default_factory=dict)
    user: list = dataclasses.field(default_factory=list)
    subids: list = dataclasses.field(default_factory=list)


class ClientError(AssertionError):
    """A client reported a failure or did not answer."""


def clients_folder():
    folder = pathlib.Path(os.environ.get("INTEGRATION_CLIENTS", HERE.parent.parent / "build" / "clients"))
    if not (folder / "venv2").exists():
        raise ClientError(f"no clients in {folder}: run tests/integration/setup_clients.sh and set INTEGRATION_CLIENTS")
    return folder


def encode_request(operation, fields):
    parts = [operation]
    for key, value in fields.items():
        for one in value if isinstance(value, list) else [value]:
            raw = one if isinstance(one, bytes) else str(int(one) if isinstance(one, bool) else one).encode()
            parts.append(f"{key}={urllib.parse.quote_from_bytes(raw)}")
    return " ".join(parts) + "\n"


def decode_line(line):
    words = line.split()
    fields = collections.defaultdict(list)
    for word in words[1:]:
        key, _, value = word.partition("=")
        fields[key].append(urllib.parse.unquote_to_bytes(value))
    return words[0], fields


def decode_message(fields):
    payload = fields["payload"][0] if "payload" in fields else pathlib.Path(os.fsdecode(fields["file"][0])).read_bytes()
    known = {"topic", "payload", "file", "qos", "retain", "dup", "user", "subid"}
    return Message(fields["topic"][0].decode(), payload, int(fields["qos"][0]), fields["retain"][0] == b"1",
                   fields["dup"][0] == b"1", {key: value[0] for key, value in fields.items() if key not in known},
                   [tuple(pair.decode().split("=", 1)) for pair in fields.get("user", [])],
                   [int(one) for one in fields.get("subid", [])])


class Inbox:
    """Received messages, in order; filled by a reader thread."""

    def __init__(self):
        self.messages = queue.Queue()

    def expect(self, count, seconds=None):
        """The next `count` messages; fails when they do not come."""
        got = []
        deadline = time.monotonic() + (seconds or SECONDS)
        while len(got) < count:
            try:
                got.append(self.messages.get(timeout=max(0.0, deadline - time.monotonic())))
            except queue.Empty:
                raise ClientError(f"{len(got)} of {count} messages came, the last: {got[-1:]}") from None
        return got

    def expect_one(self):
        return self.expect(1)[0]

    def nothing_more(self):
        """True when nothing that was not asked for has come so far."""
        return self.messages.empty()


class DriverClient(Inbox):
    """One client library in a process of its own. Not connected yet when made."""

    def __init__(self, kind, version, address, folder):
        super().__init__()
        self.kind, self.version = kind, version
        self.answers = queue.Queue()
        self.closed = threading.Event()
        command, environment = self._command(kind)
        self.errors = open(pathlib.Path(folder) / f"{kind}-{id(self)}.stderr", "w+b")
        self.process = subprocess.Popen(command + [address[0], str(address[1]), version, str(folder)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=self.errors, env={**os.environ, **environment})
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    @staticmethod
    def _command(kind):
        clients = clients_folder()
        return {
            "paho1": (["/usr/bin/python3", str(HERE / "drivers/paho_driver.py")], {}),
            "paho2": ([str(clients / "venv2/bin/python"), str(HERE / "drivers/paho_driver.py")], {}),
            "pahoc": ([str(clients / "c/paho_c_driver")], {}),
            "mqttjs": (["node", str(HERE / "drivers/mqttjs_driver.js")], {"NODE_PATH": str(clients / "js/node_modules")}),
        }[kind]

    def _read(self):
        for raw in self.process.stdout:
            word, fields = decode_line(raw.decode("ascii"))
            if word == "msg":
                self.messages.put(decode_message(fields))
            elif word == "closed":
                self.closed.set()
            else:
                self.answers.put((word, fields))
        self.answers.put(("!", {"error": [b"the driver ended"]}))

    def call(self, operation, **fields):
        """Sends a request and returns the answer's fields as text."""
        self.process.stdin.write(encode_request(operation, fields).encode())
        self.process.stdin.flush()
        try:
            word, answer = self.answers.get(timeout=SECONDS)
        except queue.Empty:
            raise ClientError(f"{self.kind} {self.version}: no answer to {operation} {fields}; {self._stderr()}") from None
        if word != "=":
            raise ClientError(f"{self.kind} {self.version}: {operation} {fields}: {answer['error']}; {self._stderr()}")
        return {key: value[0].decode() for key, value in answer.items()}

    def _stderr(self):
        self.errors.seek(0)
        return self.errors.read().decode(errors="replace")[-2000:]

    def connect(self, client_id, **fields):
        self.closed.clear()
        return self.call("connect", id=client_id, **fields)

    def subscribe(self, topic_filter, qos=0, **fields):
        """The granted QoS or the error code."""
        return int(self.call("subscribe", filter=topic_filter, qos=qos, **fields)["codes"])

    def unsubscribe(self, topic_filter):
        self.call("unsubscribe", filter=topic_filter)

    def publish(self, topic, payload=b"", qos=0, retain=False, **fields):
        """Returns when the exchange is complete; gives the reason code if the library tells it."""
        return int(self.call("publish", topic=topic, qos=qos, retain=retain, payload=payload, **fields).get("reason", 0))

    def publish_file(self, topic, path, qos):
        self.call("publish", topic=topic, qos=qos, file=str(path))

    def burst(self, topic, count, qos):
        self.call("burst", topic=topic, count=count, qos=qos)

    def disconnect(self, **fields):
        self.call("disconnect", **fields)

    def kill(self):
        """Ends the process at once: the broker sees the connection break without a DISCONNECT."""
        self.process.kill()
        self.process.wait()

    def close(self):
        self.kill()
        self.reader.join(SECONDS)
        self.process.stdin.close()
        self.process.stdout.close()
        self.errors.close()


class MosquittoSubscriber(Inbox):
    """A mosquitto_sub that prints one JSON object a message. Ready (subscribed) when made."""

    def __init__(self, version, address, filters, qos=0, arguments=()):
        super().__init__()
        command = ["stdbuf", "-oL", "mosquitto_sub", "-h", address[0], "-p", str(address[1]), "-V", "mqttv" + version, "-d",
                   "-F", "%j", "-q", str(qos)]
        for topic_filter in filters:
            command += ["-t", topic_filter]
        self.ready = threading.Event()
        self.lines = []
        self.process = subprocess.Popen(command + list(arguments), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        if filters and not self.ready.wait(SECONDS):
            raise ClientError(f"mosquitto_sub is not subscribed: {self.lines}")

    def _read(self):
        for raw in self.process.stdout:
            line = raw.decode(errors="replace").rstrip("\n")
            if line.startswith("{"):
                self.messages.put(decode_mosquitto(line))
            else:
                self.lines.append(line)
                if line.startswith("Subscribed ("):
                    self.ready.set()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def terminate(self):
        """Lets mosquitto_sub disconnect in order."""
        self.process.terminate()
        self.process.wait(SECONDS)

    def close(self):
        self.kill()
        self.reader.join(SECONDS)
        self.process.stdout.close()


def decode_mosquitto(line):
    """mosquitto_sub writes repeated user properties as repeated names of one JSON object."""
    fields = dict(json.loads(line, object_pairs_hook=list))
    properties = dict(fields.get("properties", []))
    user = [tuple(pair) for pair in properties.pop("user-properties", [])]
    subids = properties.pop("subscription-identifier", [])
    return Message(fields["topic"], (fields.get("payload") or "").encode(), fields["qos"], bool(fields["retain"]), False,
                   properties, user, subids if isinstance(subids, list) else [subids])


def mosquitto_publish(version, address, topic, payload=b"", qos=0, arguments=()):
    """Runs mosquitto_pub to its end; returns what it printed."""
    command = ["mosquitto_pub", "-h", address[0], "-p", str(address[1]), "-V", "mqttv" + version, "-t", topic, "-q", str(qos),
               "-s" if payload else "-n", *arguments]
    done = subprocess.run(command, input=payload, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SECONDS, check=False)
    if done.returncode != 0:
        raise ClientError(f"mosquitto_pub {command} ended with {done.returncode}: {done.stdout!r}")
    return done.stdout.decode(errors="replace")


class MosquittoClient(Inbox):
    """mosquitto_pub and mosquitto_sub with the face of a DriverClient, as far as the cross-client tests need it."""

    def __init__(self, version, address):
        super().__init__()
        self.kind, self.version, self.address = "mosquitto", version, address
        self.subscriber = None

    def connect(self, client_id, **_fields):
        self.client_id = client_id

    def subscribe(self, topic_filter, qos=0):
        self.subscriber = MosquittoSubscriber(self.version, self.address, [topic_filter], qos, ["-i", self.client_id])
        self.messages = self.subscriber.messages
        return qos

    def publish(self, topic, payload=b"", qos=0, retain=False):
        mosquitto_publish(self.version, self.address, topic, payload, qos, ["-r"] if retain else [])
        return 0

    def close(self):
        if self.subscriber:
            self.subscriber.close()


def make_client(kind, version, address, folder):
    if kind == "mosquitto":
        return MosquittoClient(version, address)
    return DriverClient(kind, version, address, folder)
