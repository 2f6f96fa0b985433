"""The way through README.md from `helm install` to five nodes, typed line by line: Helm, kubectl and mosquitto's clients are the real ones.

They speak to an API server of ours (fake_api.py), and what they install runs (kubelet.py). docker and `kubectl port-forward` are stand-ins
(standin/), which look at names.
"""

import json
import os
import pathlib
import re
import shutil
import socket

import pytest
from chart import ROOT, TOOLS, with_both
from controllers import Controllers
from fake_api import FakeApi
from kubelet import Kubernetes
from mqtt_client import DEADLINE
from network import why_not
from release import BROKER, Cluster
from support.broker import wait_until
from terminal import Terminal, blocks

pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))

STANDINS = pathlib.Path(__file__).parent / "standin"
KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: here
contexts: [{name: here, context: {cluster: here, namespace: iot}}]
clusters: [{name: here, cluster: {server: "URL"}}]
"""


class Place:
    """A Kubernetes to install into, and a person at a terminal who has the commands of the README."""

    def __init__(self, folder, program):
        self.world = Kubernetes(folder / "kubernetes", {})
        self.images = folder / "images"
        self.images.touch()
        try:
            with self.world.clients.entered():
                self.api = FakeApi(controllers=Controllers(self.world, self.pulled))
            self.terminal = Terminal(ROOT, self.environment(folder, program), self.world.clients.launcher)
        except BaseException:
            self.world.stop()
            raise

    def pulled(self, image):
        return "skeinmq" not in image or image in self.images.read_text().split()

    def environment(self, folder, program):
        (folder / "bin").mkdir()
        for path in STANDINS.iterdir():
            shutil.copy(path, folder / "bin")
        (folder / "bin" / "helm").symlink_to(TOOLS / program)
        (folder / "kubeconfig").write_text(KUBECONFIG.replace("URL", self.api.url))
        return {"PATH": f"{folder}/bin:{os.environ['PATH']}", "HOME": str(folder), "KUBECONFIG": str(folder / "kubeconfig"),
                "KUBECTL": str(TOOLS / "kubectl"), "IMAGES": str(self.images)}

    def stop(self):
        self.terminal.close()
        self.api.stop()
        self.world.stop()


@pytest.fixture
def place(tmp_path, program):
    made = Place(tmp_path, program)
    try:
        with made.world.clients.entered():
            yield made
    finally:
        made.stop()


def accepts(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


def subscribed(world, topic):
    done = world.pods[f"{BROKER}-0"].execute(["skeinmqctl", "subscriptions", "--json", "--filter", topic,
                                              "--token-file=/etc/skeinmq/admin/token"])
    return done.returncode == 0 and topic in json.dumps(json.loads(done.stdout)["subscriptions"])


def type_line(place, line):
    """What a person waits to see before the next line."""
    place.terminal.type(line, 4 * DEADLINE)
    forwarded, listening = re.search(r"port-forward .* (\d+):\d+ &$", line), re.search(r"mosquitto_sub .*-t (\S+) &$", line)
    if forwarded:
        wait_until(lambda: accepts(int(forwarded.group(1))), DEADLINE, f"forwarded by {line!r}")
    if listening:
        wait_until(lambda: subscribed(place.world, listening.group(1)), DEADLINE, f"subscribed by {line!r}")


@with_both
def test_from_install_to_the_first_message_the_first_graph_and_five_nodes(place, program):
    install, message, graph, more = blocks(ROOT / "README.md", "On Kubernetes")
    for line in install:
        type_line(place, line)
    cluster = Cluster(place.world)
    assert len(cluster.nodes) == 3, "--wait means that they serve"
    assert re.search(r"TEST SUITE: +mq-skeinmq-test[\s\S]*Phase: +Succeeded", place.terminal.text), place.terminal.text

    for line in message:
        type_line(place, line)
    place.terminal.wait(r"^hello$", DEADLINE)

    for line in graph:
        type_line(place, line)
    kinds = {kind for kind, _ in place.api.objects}
    assert {"ServiceMonitor", "PrometheusRule"} <= kinds
    titles = {json.loads(text)["title"] for (kind, _), document in place.api.objects.items() if kind == "ConfigMap"
              for name, text in document["data"].items() if name.endswith(".json")}
    named = re.search(r'the dashboard "([^"]+)"', (ROOT / "README.md").read_text()).group(1)
    assert named in titles

    for line in more:
        type_line(place, line)
    place.world.wait_ready(BROKER, DEADLINE, replicas=5)
    cluster.wait_shared(5)
    type_line(place, more[-1].replace("replicaCount=5", "replicaCount=3"))
    cluster.wait_shared(3)
