"""The rendered pods run: probes, discovery, certificates, preStop; from three nodes to five and back under load."""

import json
import pathlib
import re

import pytest
from chart import CHART, render
from etcd import Load
from kubelet import Kubernetes
from mqtt_client import DEADLINE
from network import why_not
from prometheus import Prometheus
from release import BROKER, ETCD, Cluster
from support.broker import wait_until

pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    made = Kubernetes(tmp_path_factory.mktemp("kubernetes"), render("--set", "minReadySeconds=0"))
    try:
        with made.clients.entered():
            yield made
    finally:
        made.stop()


@pytest.fixture
def cluster(world):
    yield Cluster(world)
    for pod in [*world.pods.values(), *world.leaving]:
        assert pod.restarts == 0 and not pod.failures, (pod.name, pod.failures, world.report())


def test_pods_are_ready_when_etcd_is_there_and_not_before(world, cluster):
    world.scale(BROKER)
    wait_until(lambda: all(pod.probed.get("startupProbe") is False and "coordinator.unreachable" in pod.log_path.read_text()
                           for pod in world.members(BROKER)), DEADLINE, "the nodes wait for etcd")
    assert not any(pod.started or pod.ready for pod in world.members(BROKER))
    world.scale(ETCD)
    world.wait_ready(ETCD, DEADLINE)
    world.wait_ready(BROKER, DEADLINE)
    cluster.wait_shared(3)


def test_the_pod_of_helm_test(world, cluster):
    manifest = world.documents["Pod", "mq-skeinmq-test"]
    pod = world.launch("mq-skeinmq-test", manifest["spec"], manifest["metadata"]["labels"])
    assert pod.gone.wait(DEADLINE)
    assert pod.exit_code == 0, pod.log_path.read_text()
    assert "published at mq-skeinmq-2, subscribed at mq-skeinmq-0: works" in pod.log_path.read_text()
    world.forget(pod)


def test_a_container_cannot_do_what_it_should_not(world, cluster):
    pod = world.pods[f"{BROKER}-0"]
    root = pathlib.Path(f"/proc/{pod.process.pid}/root")
    for path in ("x", "etc/skeinmq/x", "usr/x", "etc/skeinmq/auth/x", "etc/skeinmq/config/skeinmq.yaml"):
        with pytest.raises(OSError, match="Read-only file system"):
            (root / path).write_text("")
    (root / "tmp/x").write_text("")
    assert not (root / "bin").exists() and not (root / "usr/bin").exists(), "there is no shell"
    status = pathlib.Path(f"/proc/{pod.process.pid}/status").read_text()
    assert "CapEff:\t0000000000000000" in status and "CapBnd:\t0000000000000000" in status and "NoNewPrivs:\t1" in status
    assert "Uid:\t10001\t10001" in status and "Gid:\t10001\t10001" in status


def test_scaled_out_and_in_and_upgraded_under_load(world, cluster):
    load = Load(cluster)
    world.scale(BROKER, 5)
    world.wait_ready(BROKER, DEADLINE, replicas=5)
    cluster.wait_shared(5)
    load.progress()

    for pod in world.scale(BROKER, 3):
        assert pod.gone.wait(2 * DEADLINE)
        assert pod.hook == (0, "left\n") and pod.exit_code == 0 and not pod.killed, (pod.hook, pod.log_path.read_text()[-3000:])
    cluster.wait_shared(3)
    load.progress()

    # A rolling update, the highest number first.
    for pod in reversed(world.members(BROKER)):
        world.replace(pod, 2 * DEADLINE)
        assert pod.hook == (0, "left\n") and pod.exit_code == 0 and not pod.killed, (pod.hook, pod.log_path.read_text()[-3000:])
    cluster.wait_shared(3)
    load.progress()

    # One that went away comes back with the volume that it left.
    world.scale(BROKER, 4)
    world.wait_ready(BROKER, DEADLINE, replicas=4)
    cluster.wait_shared(4)
    assert load.finish() > 100


def expressions():
    """(dashboard, panel, expression) of all dashboards, with their variables filled in as Grafana does it for "All"."""
    for path in sorted((CHART / "dashboards").glob("*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel["targets"]:
                text = re.sub(r"\$(namespace|job|instance)\b", ".*", target["expr"]).replace("$__rate_interval", "15s")
                yield path.stem, panel["title"], text


def test_every_panel_has_data_and_every_rule_is_well(world, cluster):
    load = Load(cluster, publishers=2, subscribers=4)
    prometheus = Prometheus(world.folder / "prometheus", world.clients, world.members(BROKER), DEADLINE)
    try:
        missing = set(expressions())
        assert len(missing) > 50

        def all_there():
            for each in list(missing):
                if prometheus.query(each[2]):
                    missing.discard(each)
            return not missing
        try:
            wait_until(all_there, DEADLINE, "every panel has data")
        except AssertionError:
            raise AssertionError(f"no data: {sorted(missing)}")
        wait_until(lambda: all(rule["health"] == "ok" for rule in prometheus.rules().values()), DEADLINE, "the rules are evaluated")
        rules = prometheus.rules()
        assert len(rules) == 15 and not [name for name, rule in rules.items() if rule["state"] == "firing"], rules
    finally:
        prometheus.stop()
        load.finish()


def test_a_pod_that_is_killed_comes_back_with_its_sessions(world, cluster):
    load = Load(cluster, publishers=2, subscribers=4)
    pod = world.pods[f"{BROKER}-1"]
    pod.killed = True  # no preStop, no SIGTERM: the machine is gone
    world.replace(pod, 2 * DEADLINE)
    load.progress()
    assert load.finish() > 0
