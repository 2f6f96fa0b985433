"""See mixed_versions.sh.

    python3 tests/helm/mixed_versions.py OLDER-SKEINMQD OLDER-CHART
"""

import pathlib
import sys
import tempfile

import conftest  # noqa: F401  (puts the other folders on the path)
import yaml
from chart import CHART, helm
from etcd import Load
from fake_api import FakeApi
from kubelet import Kubernetes, image_of
from mqtt_client import DEADLINE
from release import BROKER, ETCD, Cluster
from support.broker import program, wait_until


def documents_of(chart, kept=()):
    """What `helm upgrade` makes of a chart where these Secrets are; without them, what `helm install` makes."""
    api = FakeApi(kept)
    try:
        text = helm("helm4", "template", "mq", chart, "--namespace", "iot", "--set", "minReadySeconds=0", "--dry-run=server",
                    "--disable-openapi-validation", "--kube-apiserver", api.url, *(["--is-upgrade"] if kept else []))
    finally:
        api.stop()
    return {(each["kind"], each["metadata"]["name"]): each for each in yaml.safe_load_all(text) if each}


def secrets(documents):
    return [document for (kind, _), document in documents.items() if kind == "Secret"]


def linked(status):
    return len(status["members"]) == 3 and all(each["linked"] or each["self"] for each in status["members"])


def roll(world, cluster, load, image, documents):
    """Replaces one pod after the other; everybody is served in between, too."""
    changed = {name for name in (ETCD, BROKER) if world.stateful(name) != documents["StatefulSet", name]["spec"]}
    world.image, world.documents = image, documents
    if ETCD in changed:
        for pod in reversed(world.members(ETCD)):
            world.replace(pod, 2 * DEADLINE)
    for pod in reversed(world.members(BROKER)):
        world.replace(pod, 2 * DEADLINE)
        assert not pod.killed and pod.exit_code == 0, (pod.name, pod.hook, pod.log_path.read_text()[-3000:])
        wait_until(lambda: all(linked(cluster.status(each)) for each in cluster.nodes), DEADLINE, "old and new nodes are linked")
        load.progress()
    cluster.wait_shared(3)


def main(older, older_chart):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="skeinmq-mixed-"))
    images = [image_of(folder / name, path) for name, path in (("older", older), ("newer", program()))]
    before = documents_of(older_chart)
    after = documents_of(CHART, secrets(before))
    assert [each["data"] for each in secrets(after)] == [each["data"] for each in secrets(before)], "an upgrade makes no new secrets"
    world = Kubernetes(folder, before)
    try:
        with world.clients.entered():
            world.image = images[0]
            world.scale(ETCD)
            world.scale(BROKER)
            world.wait_ready(BROKER, 2 * DEADLINE)
            cluster = Cluster(world)
            cluster.wait_shared(3)
            load = Load(cluster)
            roll(world, cluster, load, images[1], after)
            roll(world, cluster, load, images[0], before)
            count = load.finish()
    except AssertionError:
        print(world.report(), file=sys.stderr)
        raise
    finally:
        world.stop()
    print(f"upgraded and back with a load: {count} messages acknowledged, all of them delivered, none out of order")


if __name__ == "__main__":
    main(*sys.argv[1:])
