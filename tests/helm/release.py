"""A release of the chart that runs (kubelet.py), as clients and operators see it."""

import json

from mqtt_client import DEADLINE
from support.broker import wait_until

BROKER, ETCD = "mq-skeinmq", "mq-skeinmq-etcd"


class Cluster:
    """The release as clients see it: what the Service leads to."""

    def __init__(self, world):
        self.world = world
        secret = world.data("Secret", "mq-skeinmq-auth")
        self.credentials = {"user": secret["username"].decode(), "password": secret["password"]}

    @property
    def nodes(self):
        return {pod.name: pod for pod in self.world.members(BROKER) if pod.ready}

    def status(self, name=f"{BROKER}-0"):
        """As that pod sees it."""
        pod = self.world.pods[name]
        done = pod.execute(["skeinmqctl", "cluster", "status", "--output=json", "--token-file=/etc/skeinmq/admin/token"])
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def wait_shared(self, count):
        """So many members, all linked, each with a good part of the partitions, none on the way."""
        def shared():
            members = self.status()["members"]
            return len(members) == count and all(each["state"] == "active" and each["partitions"] > 256 / count / 2 for each in members)
        wait_until(shared, 2 * DEADLINE, f"the partitions are with {count} nodes")
