"""Starts the broker under test as a process of its own, for tests that talk to it from outside.

    with Broker.start(shards=2, settings={"limits.max_queued_messages": 10}) as broker:
        sock = socket.create_connection(broker.address)

The program is $SKEINMQD. With $BROKER_ADDR=host:port (or $INTEGRATION_ADDR) nothing is started and that broker is used as it
is; `broker.pid` is then None, and what depends on settings or on the process cannot be tested.

`stop()` sends SIGTERM and insists on exit code 0 and on a log without a sanitizer's report. The broker's output goes to
files, so that a full pipe can never stop it; `broker.log()` returns what it has written so far.
"""

import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

# Many brokers run at once, and nobody asks most of them.
os.environ.setdefault("SKEINMQ_ADMIN_LISTEN", "127.0.0.1:0")

START_SECONDS = 60.0
STOP_SECONDS = 60.0
SANITIZER = re.compile(r"^.*(ERROR: \w*Sanitizer|WARNING: ThreadSanitizer|runtime error:).*$", re.M)


class BrokerError(AssertionError):
    """The broker did not start, stop or behave as a process; the message carries its log."""


def external_address():
    """The address of a running broker that the caller asked to use, or None."""
    text = os.environ.get("BROKER_ADDR") or os.environ.get("INTEGRATION_ADDR")
    if not text:
        return None
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def program():
    """The path of the broker under test."""
    path = os.environ.get("SKEINMQD")
    if not path:
        raise BrokerError("set SKEINMQD=/path/to/skeinmqd (or INTEGRATION_ADDR=host:port)")
    if not os.access(path, os.X_OK):
        raise BrokerError(f"SKEINMQD={path} is not an executable file")
    return path


_given = set()


def free_port(host="127.0.0.1"):
    """A TCP port of `host` that nobody uses now. Nobody is given it later who asks the system for any port (a listener on port 0, an
    outgoing connection), nor another caller here or in another of pytest's workers: it stays free while its process is away."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 10
    while True:
        port = 20_000 + 1000 * worker + random.randrange(1000)
        if port in _given:
            continue
        _given.add(port)
        if len(_given) > 900:
            _given.clear()
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            try:
                probe.bind((host, port))
                return port
            except OSError:
                continue


def wait_until(condition, seconds, what):
    """Polls `condition` until it is true and returns its value; fails with `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.01)


def accepts(address):
    """True when a TCP connection to `address` is taken."""
    try:
        with socket.create_connection(address, timeout=1):
            return True
    except OSError:
        return False


class Broker:
    """One broker process (or an external one), its address, its folder and its log."""

    def __init__(self, address, process=None, folder=None, command=None):
        self.address = address
        self.process = process
        self.folder = folder
        self.command = command
        self.expected_exit = 0

    @property
    def host(self):
        return self.address[0]

    @property
    def port(self):
        return self.address[1]

    @property
    def pid(self):
        return self.process.pid if self.process else None

    @classmethod
    def start(cls, shards=None, settings=None, arguments=(), environment=None, host="127.0.0.1", data_dir=None, binary=None, port=None,
              launcher=(), wait=True):
        """Starts a broker listening on a free port of `host` (or on `port`) and, unless told not to, waits until it accepts connections.
        A `data_dir` of the caller's stays when the broker has gone. `binary`: another program than $SKEINMQD; `launcher`: what comes
        before it on the command line, and must become it by exec."""
        external = external_address()
        if external:
            return cls(external)
        for attempt in range(3):
            broker = cls._launch(shards, settings, arguments, environment, host, data_dir, binary, port, launcher)
            try:
                if wait:
                    broker._wait_ready()
                return broker
            except BrokerError:
                broker.kill()
                broker._remove_folder()
                if attempt == 2 or not broker.lost_the_port:
                    raise
        raise BrokerError("unreachable")

    @classmethod
    def _launch(cls, shards, settings, arguments, environment, host, data_dir, binary, port, launcher):
        port = port or free_port(host)
        folder = pathlib.Path(tempfile.mkdtemp(prefix="skeinmq-test-"))
        shown = f"[{host}]" if ":" in host else host
        # Where it is not started here, it is reached by others.
        anonymous = "?allow_anonymous=true" if launcher else ""
        command = [*launcher, binary or program(), "--listen", f"tcp://{shown}:{port}{anonymous}",
                   "--data-dir", str(data_dir or folder / "data")]
        if shards is not None:
            command += ["--shards", str(shards)]
        for key, value in (settings or {}).items():
            text = str(value).lower() if isinstance(value, bool) else str(value)
            command += ["--set", f"{key}={text}"]
        command += list(arguments)
        with open(folder / "stdout", "wb") as out, open(folder / "stderr", "wb") as err:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                       env={**os.environ, **(environment or {})})
        return cls((host, port), process, folder, command)

    def _wait_ready(self):
        self.lost_the_port = False
        deadline = time.monotonic() + START_SECONDS
        while not accepts(self.address) or self.process.poll() is not None:
            code = self.process.poll()
            if code is not None:
                self.lost_the_port = "in use" in self.log()
                raise BrokerError(f"broker exited with {code} at start: {self.command}\n{self.log()}")
            if time.monotonic() > deadline:
                raise BrokerError(f"broker does not accept after {START_SECONDS} s: {self.command}\n{self.log()}")
            time.sleep(0.01)

    def log(self):
        """What the broker has written to stdout and stderr so far."""
        if not self.folder:
            return ""
        return "".join((self.folder / name).read_text(errors="replace") for name in ("stdout", "stderr"))

    def admin_url(self):
        """Where operators ask it."""
        found = wait_until(lambda: re.search(r"admin\.ready address=(\S+)", self.log()), START_SECONDS, "admin.ready")
        return f"http://{found.group(1)}"

    def running(self):
        return self.process is None or self.process.poll() is None

    def resident_bytes(self):
        """The broker's resident memory now (VmRSS)."""
        with open(f"/proc/{self.pid}/status", encoding="ascii") as status:
            for line in status:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) * 1024
        raise BrokerError("the broker has no VmRSS: it is gone\n" + self.log())

    def descriptors(self):
        """How many sockets the broker holds now. Its database opens and closes files when it likes; those are not counted."""
        count = 0
        for number in os.listdir(f"/proc/{self.pid}/fd"):
            try:
                count += os.readlink(f"/proc/{self.pid}/fd/{number}").startswith("socket:")
            except FileNotFoundError:
                pass  # closed since it was listed
        return count

    def stop(self, sig=signal.SIGTERM):
        """Asks the broker to stop; its exit code must be the expected one (0)."""
        if not self.process:
            return
        try:
            already = self.process.poll()
            if already is not None and already != self.expected_exit:
                raise BrokerError(f"the broker was gone before it was stopped, exit code {already}\n{self.log()}")
            self.process.send_signal(sig)
            try:
                code = self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                raise BrokerError(f"the broker still runs {STOP_SECONDS} s after signal {sig}\n{self.log()}")
            if code != self.expected_exit:
                raise BrokerError(f"the broker's exit code is {code}\n{self.log()}")
            report = SANITIZER.search(self.log())
            if report:
                raise BrokerError(f"a sanitizer has found something: {report.group(0)}\n{self.log()}")
        finally:
            self.kill()
            self._remove_folder()

    def kill(self):
        """Ends the process at once, if it still runs."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def discard(self):
        """Ends the process at once and forgets its log."""
        self.kill()
        self._remove_folder()

    def _remove_folder(self):
        if self.folder and not os.environ.get("KEEP_BROKER_FOLDER"):
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder = None

    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        if kind is not None and self.process:
            print("broker command:", self.command)
            print("broker log (end):\n" + self.log()[-8000:])
        self.stop()
