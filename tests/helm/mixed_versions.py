"""See mixed_versions.sh.

    python3 tests/helm/mixed_versions.py OLDER-SKEINMQD
"""

import pathlib
import sys
import tempfile

import conftest  # noqa: F401  (puts the other folders on the path)
from chart import render
from etcd import Load
from kubelet import Kubernetes, image_of
from mqtt_client import DEADLINE
from release import BROKER, ETCD, Cluster
from support.broker import program


def roll(world, cluster, load, image):
    """Replaces one pod after the other; everybody is served in between, too."""
    world.image = image
    for pod in reversed(world.members(BROKER)):
        world.replace(pod, 2 * DEADLINE)
        assert not pod.killed and pod.exit_code == 0, (pod.name, pod.hook, pod.log_path.read_text()[-3000:])
        load.progress()
    cluster.wait_shared(3)


def main(older):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="skeinmq-mixed-"))
    images = [image_of(folder / name, path) for name, path in (("older", older), ("newer", program()))]
    world = Kubernetes(folder, render("--set", "minReadySeconds=0"))
    try:
        with world.clients.entered():
            world.image = images[0]
            world.scale(ETCD)
            world.scale(BROKER)
            world.wait_ready(BROKER, 2 * DEADLINE)
            cluster = Cluster(world)
            cluster.wait_shared(3)
            load = Load(cluster)
            for image in (images[1], images[0]):
                roll(world, cluster, load, image)
            count = load.finish()
    except AssertionError:
        print(world.report(), file=sys.stderr)
        raise
    finally:
        world.stop()
    print(f"upgraded and back with a load: {count} messages acknowledged, all of them delivered, none out of order")


if __name__ == "__main__":
    main(sys.argv[1])
