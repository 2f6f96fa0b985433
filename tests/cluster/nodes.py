"""A cluster of real processes, each on a host of its own: etcd's members, nodes, and one host for all clients."""

import os
import signal
import time

from crash.brokers import SETTINGS
from etcd import Etcd, EtcdCluster
from mqtt_client import DEADLINE
from support.broker import SANITIZER, BrokerError, wait_until

PORT = 1883


class Member(Etcd):
    """One of several; see Members."""

    def __init__(self, folder, host):
        self.name = host.name
        folder.mkdir()
        super().__init__(folder, host=host.address, launcher=host.launcher)

    def start(self):
        """Members.start() does it: a member alone does not answer."""


class Members:
    """An etcd of several members, with what EtcdCluster asks of an etcd."""

    def __init__(self, folder, hosts):
        self.members = [Member(folder / host.name, host) for host in hosts]
        self.start()

    @property
    def url(self):
        return ",".join(member.url for member in self.members)

    def start(self):
        everybody = ",".join(f"{member.name}={member.peer_url}" for member in self.members)
        for member in self.members:
            if member.process is None:
                member.launch(member.name, everybody)
        wait_until(lambda: all(member.answers() for member in self.members), DEADLINE, "etcd answers")

    def stop(self):
        for member in self.members:
            member.stop()

    def values(self, prefix):
        """From whichever member answers."""
        for member in self.members:
            try:
                return member.values(prefix)
            except OSError as error:
                last = error
        raise last


class Nodes(EtcdCluster):
    """Nodes that can be hurt. `nodes` are those that should run; `stopped` those that stand still (SIGSTOP)."""

    def __init__(self, folder, network, names, members=3, settings=None):
        self.network, self.settings = network, settings or {}
        self.hosts = {name: network.add(name) for name in names}
        self.clients = network.add("clients")
        self.stopped = set()
        etcds = [network.add(f"etcd{number}") for number in range(members)]
        self.etcd_hosts = etcds
        with self.clients.entered():
            super().__init__(folder, names, etcd=Members(folder, etcds))

    def where(self, name):
        if name not in self.hosts:
            self.hosts[name] = self.network.add(name)
        host = self.hosts[name]
        return {"host": host.address, "port": PORT, "launcher": host.launcher}

    def start(self, name, node_id=None, **settings):
        super().start(name, node_id, **{**SETTINGS, "log.level": "debug", **self.settings, **settings})

    # --- what is done to nodes -------------------------------------------------------------------------------------------

    def kill(self, name):
        node = self.nodes.pop(name)
        node.kill()
        self.keep_log(name, node)
        node.discard()

    def drain(self, name):
        """SIGTERM, as Kubernetes ends a pod; the node hands everything over and ends well. Returns its log."""
        node = self.nodes.pop(name)
        node.process.terminate()
        try:
            code = node.process.wait(DEADLINE)
        finally:
            log = self.keep_log(name, node)
            node.discard()
        if code != 0:
            raise BrokerError(f"{name} ended with {code} after SIGTERM\n{log[-4000:]}")
        return log

    def suspend(self, name):
        self.stopped.add(name)
        os.kill(self.nodes[name].pid, signal.SIGSTOP)

    def resume(self, name):
        os.kill(self.nodes[name].pid, signal.SIGCONT)
        self.stopped.discard(name)

    # --- what is seen of them --------------------------------------------------------------------------------------------

    def addresses(self):
        return [node.address for node in list(self.nodes.values())]

    def alive(self):
        return all(node.running() for node in list(self.nodes.values()))

    def linked(self):
        """Every node has a link to every other, by what their logs say."""
        logs = {name: node.log() for name, node in self.nodes.items()}
        return all(log.rfind(f"peer.up node={other}") > log.rfind(f"peer.down node={other}")
                   for name, log in logs.items() for other in logs if other != name)

    def wait_whole(self):
        """All nodes are linked and have their shares, and nothing moves."""
        wait_until(self.linked, 2 * DEADLINE, "all nodes are linked")
        self.wait_balanced()

    def keep_log(self, name, node):
        log = node.log()
        with open(self.folder / f"{name}.log", "a", encoding="utf-8") as out:
            out.write(f"--- ended at {time.time():.3f}: {' '.join(map(str, node.command))}\n{log}")
        report = SANITIZER.search(log)
        if report:
            raise BrokerError(f"a sanitizer has found something: {report.group(0)}")
        return log

    def stop(self):
        """Kills what is left, keeping the logs."""
        for name in list(self.nodes):
            self.kill(name)
        self.etcd.stop()
