"""Hosts with a network of their own: a network namespace each, on a bridge in one more namespace.

    network = Network()
    try:
        a, b = network.add("a"), network.add("b")
        subprocess.Popen([*a.launcher, "sleep", "9"])
        with b.entered():
            ...  # sockets made by this thread, and by threads it starts, are b's
    finally:
        network.remove()

The machine's own network is neither seen nor touched, so any number of runs can use the same addresses at a time. Namespaces are
named by process id. It needs root, iproute2 and iptables. Faults are rules of the hosts' own: packets from one to another are
thrown away, or some of all packets.
"""

import contextlib
import ctypes
import itertools
import os
import pathlib
import subprocess

PREFIX = "10.83.0."
CLONE_NEWNET = 0x40000000
FOLDER = pathlib.Path("/run/netns")

_numbers = itertools.count(1)
_libc = ctypes.CDLL(None, use_errno=True)


class NetworkError(AssertionError):
    """A command that makes or changes the network has failed."""


def run(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NetworkError(f"{' '.join(map(str, command))}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def why_not():
    """Why there can be no namespaces here; None when there can be."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    name = f"skein-try-{os.getpid()}"
    try:
        run("ip", "netns", "add", name)
        run("ip", "netns", "exec", name, "true")
        run("ip", "netns", "del", name)
    except (NetworkError, OSError) as error:
        return f"no network namespaces: {error}"
    return None


def enter(path):
    with open(path, "rb") as namespace:
        if _libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:
            raise NetworkError(f"setns {path}: {os.strerror(ctypes.get_errno())}")


class Host:
    """One namespace: an address, a way to start programs in it, and rules about its packets."""

    def __init__(self, name, namespace, address):
        self.name, self.namespace, self.address = name, namespace, address
        self.launcher = ["ip", "netns", "exec", namespace]  # becomes the program: same process id
        self.lossy = None

    def run(self, *command):
        return run(*self.launcher, *command)

    @contextlib.contextmanager
    def entered(self):
        before = "/proc/thread-self/ns/net"
        with open(before, "rb") as own:
            enter(FOLDER / self.namespace)
            try:
                yield self
            finally:
                if _libc.setns(own.fileno(), CLONE_NEWNET) != 0:
                    raise NetworkError("cannot go back to the network of before")

    # --- faults --------------------------------------------------------------------------------------------------------

    def refuse(self, other):
        """Nothing that `other` sends arrives here."""
        self.run("iptables", "-w", "-A", "INPUT", "-s", other.address, "-j", "DROP")

    def accept(self, other):
        self.run("iptables", "-w", "-D", "INPUT", "-s", other.address, "-j", "DROP")

    def lose(self, percent, delay_ms=0):
        """Loses so many of all packets that come and go, and delays those that go where the kernel can (netem)."""
        try:
            self.run("tc", "qdisc", "add", "dev", "eth0", "root", "netem", "delay", f"{delay_ms}ms", "loss", f"{percent}%")
            self.lossy = [["tc", "qdisc", "del", "dev", "eth0", "root"]]
        except NetworkError:
            self.lossy = []
        for chain in ("INPUT",) if self.lossy else ("INPUT", "OUTPUT"):
            rule = [chain, *(("!", "-i", "lo") if chain == "INPUT" else ("!", "-o", "lo")), "-m", "statistic", "--mode", "random",
                    "--probability", percent / 100, "-j", "DROP"]
            self.run("iptables", "-w", "-A", *rule)
            self.lossy.append(["iptables", "-w", "-D", *rule])

    def lose_nothing(self):
        for undo in self.lossy or ():
            self.run(*undo)
        self.lossy = None


class Network:
    def __init__(self):
        self.prefix = f"skein-{os.getpid()}-{next(_numbers)}"
        self.switch = f"{self.prefix}-switch"
        self.hosts = {}
        run("ip", "netns", "add", self.switch)
        try:
            run("ip", "-n", self.switch, "link", "add", "name", "bridge", "type", "bridge")
            run("ip", "-n", self.switch, "link", "set", "bridge", "up")
        except NetworkError:
            self.remove()
            raise

    def add(self, name):
        """A host more."""
        number = len(self.hosts) + 1
        host = self.hosts[name] = Host(name, f"{self.prefix}-{name}", f"{PREFIX}{number}")
        port = f"port{number}"
        run("ip", "netns", "add", host.namespace)
        run("ip", "-n", self.switch, "link", "add", "name", port, "type", "veth", "peer", "name", "eth0", "netns", host.namespace)
        run("ip", "-n", self.switch, "link", "set", port, "master", "bridge", "up")
        run("ip", "-n", host.namespace, "addr", "add", f"{host.address}/24", "dev", "eth0")
        for device in ("lo", "eth0"):
            run("ip", "-n", host.namespace, "link", "set", device, "up")
        return host

    def remove(self):
        """Everything that still runs in it is killed."""
        for namespace in (*(host.namespace for host in self.hosts.values()), self.switch):
            if not (FOLDER / namespace).exists():
                continue
            for pid in run("ip", "netns", "pids", namespace).split():
                if int(pid) != os.getpid():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(int(pid), 9)
            run("ip", "netns", "del", namespace)
        self.hosts.clear()
