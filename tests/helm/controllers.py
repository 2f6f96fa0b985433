"""What Kubernetes makes of the chart's objects: a StatefulSet has pods, pods run (kubelet.py) and say how they are.

Thread: that of the API server that asks. `pulled(image)` says whether there is such an image.
"""

import json


class Controllers:
    def __init__(self, world, pulled=lambda image: True):
        self.world, self.pulled, self.templates = world, pulled, {}

    def apply(self, document):
        kind, name = document["kind"], document["metadata"]["name"]
        self.world.documents[kind, name] = document
        if kind == "StatefulSet":
            template = document["spec"]["template"]
            assert self.templates.setdefault(name, template) == template, f"{name}: pods are not made anew here"
            self.check(template["spec"])
            self.world.scale(name)
        elif kind == "Pod":
            self.check(document["spec"])
            self.world.launch(name, document["spec"], document["metadata"].get("labels", {}))

    def check(self, pod):
        for container in pod["containers"]:
            assert self.pulled(container["image"]), f"there is no image {container['image']}"

    def remove(self, document):
        del self.world.documents[document["kind"], document["metadata"]["name"]]
        if document["kind"] == "Pod":
            self.world.delete(document["metadata"]["name"])

    def more(self):
        """The pods that nobody has asked for by name."""
        return [{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": pod.labels}, "spec": pod.spec}
                for name, pod in list(self.world.pods.items()) if ("Pod", name) not in self.world.documents]

    def status(self, document):
        kind, name = document["kind"], document["metadata"]["name"]
        if kind == "Pod":
            return self.status_of_pod(self.world.pods.get(name))
        if kind == "StatefulSet":
            pods = self.world.members(name)
            ready = sum(pod.ready for pod in pods)
            return {"observedGeneration": document["metadata"]["generation"], "replicas": len(pods), "currentReplicas": len(pods),
                    "updatedReplicas": len(pods), "readyReplicas": ready, "availableReplicas": ready, "currentRevision": "1",
                    "updateRevision": "1"}
        if kind == "PodDisruptionBudget":
            return {"observedGeneration": document["metadata"]["generation"], "currentHealthy": 1, "desiredHealthy": 1,
                    "disruptionsAllowed": 1, "expectedPods": 1}
        return json.loads(json.dumps(document.get("status")))

    @staticmethod
    def status_of_pod(pod):
        if pod is None:
            return {"phase": "Pending"}
        if pod.gone.is_set():
            return {"phase": "Succeeded" if pod.exit_code == 0 else "Failed", "podIP": pod.host.address}
        return {"phase": "Running", "podIP": pod.host.address,
                "conditions": [{"type": "Ready", "status": "True" if pod.ready else "False"}]}
