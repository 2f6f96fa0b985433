"""What of Kubernetes the chart's pods need to run: see README.md.

    world = Kubernetes(folder, documents)
    world.scale("mq-skeinmq-etcd"), world.scale("mq-skeinmq")
    world.wait_ready("mq-skeinmq")
    world.scale("mq-skeinmq", 5)
    ...
    world.stop()

Threads: one a pod looks after it; stop() ends all of them. A field of a manifest that is not known here fails the test.
"""

import base64
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

from dns import DnsServer
from network import FOLDER, Network, enter
from support.broker import program, wait_until

HERE = pathlib.Path(__file__).resolve().parent
POD_FIELDS = {
    "serviceAccountName", "automountServiceAccountToken", "enableServiceLinks", "terminationGracePeriodSeconds", "securityContext",
    "topologySpreadConstraints", "containers", "volumes", "restartPolicy",
}
CONTAINER_FIELDS = {
    "name", "image", "imagePullPolicy", "securityContext", "command", "args", "env", "ports", "startupProbe", "livenessProbe",
    "readinessProbe", "lifecycle", "resources", "volumeMounts",
}
# How the images' programs begin. That of the broker is what its Dockerfile makes; the others' programs are this machine's.
IMAGES = {"skeinmq": ["skeinmqd"], "etcd": ["etcd"], "eclipse-mosquitto": []}
PATH = "/usr/local/bin:/usr/bin:/bin"
IMAGE_ROOT = HERE.parents[1] / "deploy" / "image_root.sh"


def expand(text, values):
    """$(NAME) is a variable, if there is one; $$ is $."""
    return re.sub(r"\$(?:\$|\((\w+)\))", lambda match: values.get(match.group(1), match.group(0)) if match.group(1) else "$", text)


def known(fields, allowed, where):
    assert set(fields) <= allowed, f"{where}: kubelet.py does not know {sorted(set(fields) - allowed)}"


def image_of(folder, skeinmqd):
    """The file system of the broker's image, with that program and the skeinmqctl beside it."""
    subprocess.run([IMAGE_ROOT, folder, "0", skeinmqd, str(skeinmqd).replace("skeinmqd", "skeinmqctl")], check=True)
    return folder


class Files:
    """Volumes of a pod: folders that are mounted into it."""

    def __init__(self, world, pod):
        self.world, self.pod, self.folder = world, pod, world.folder / "pods" / pod.unique
        self.group = pod.spec["securityContext"].get("fsGroup", 0)

    def make(self, volume):
        folder = self.folder / volume["name"]
        if "emptyDir" in volume:
            folder.mkdir(parents=True)
            self.give(folder)
        elif "persistentVolumeClaim" in volume:
            folder = self.world.folder / "claims" / volume["persistentVolumeClaim"]["claimName"]
            folder.mkdir(parents=True, exist_ok=True)
            self.give(folder)
        else:
            kind, key = ("Secret", "secretName") if "secret" in volume else ("ConfigMap", "name")
            source = volume["secret" if kind == "Secret" else "configMap"]
            folder.mkdir(parents=True)
            self.fill(folder, self.world.data(kind, source[key]), source.get("defaultMode", 0o644))
        return folder

    def give(self, folder):
        os.chown(folder, 0, self.group)
        folder.chmod(0o2775)

    def fill(self, folder, data, mode):
        """As Kubernetes does it: files are links into ..data, which is a link that is swapped."""
        version = folder / f"..{time.time_ns()}"
        version.mkdir()
        version.chmod(0o2755)
        for name, content in data.items():
            (version / name).write_bytes(content)
            os.chown(version / name, 0, self.group)
            (version / name).chmod(mode)
            if not (folder / name).is_symlink():
                (folder / name).symlink_to(f"..data/{name}")
        (folder / "..fresh").symlink_to(version.name)
        (folder / "..fresh").rename(folder / "..data")


class Pod:
    """One pod with one container of interest, from its start to its end."""

    def __init__(self, world, name, spec, labels, unique):
        self.world, self.name, self.spec, self.labels, self.unique = world, name, spec, labels, unique
        known(spec, POD_FIELDS, name)
        (self.container,) = spec["containers"]
        known(self.container, CONTAINER_FIELDS, name)
        self.host = world.network.add(unique)
        self.ready, self.started, self.gone, self.failures = False, False, threading.Event(), []
        self.deleted, self.killed, self.restarts = threading.Event(), False, 0
        self.exit_code, self.process, self.hook = None, None, None
        self.log_path = world.folder / f"{unique}.log"
        self.probed = {}  # the last answer to each
        self.mounts = self.make_mounts()
        self.threads = [threading.Thread(target=self.run, daemon=True), threading.Thread(target=self.probe, daemon=True)]

    @property
    def address(self):
        return (self.host.address, 1883)

    def make_mounts(self):
        files = Files(self.world, self)
        folders = {volume["name"]: files.make(volume) for volume in self.spec.get("volumes", [])}
        return [{"source": str(folders[each["name"]]), "target": each["mountPath"], "read_only": each.get("readOnly", False)}
                for each in self.container.get("volumeMounts", [])]

    def environment(self):
        image = re.fullmatch(r"(?:.*/)?([^:@]+)(?:[:@].*)?", self.container["image"]).group(1)
        assert image in IMAGES, image
        values = {"PATH": PATH, "HOSTNAME": self.name}
        if image == "skeinmq":
            values["SKEINMQ_DATA_DIR"] = "/var/lib/skeinmq"
        for entry in self.container.get("env", []):
            if "value" in entry:
                values[entry["name"]] = expand(entry["value"], values)
            elif "fieldRef" in entry["valueFrom"]:
                assert entry["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.name"
                values[entry["name"]] = self.name
            else:
                reference = entry["valueFrom"]["secretKeyRef"]
                values[entry["name"]] = self.world.data("Secret", reference["name"])[reference["key"]].decode()
        return image, values

    def start(self):
        image, values = self.environment()
        begin = self.container.get("command") or IMAGES[image]
        words = [expand(each, values) for each in [*begin, *self.container.get("args", [])]]
        context = {**self.spec["securityContext"], **self.container["securityContext"]}
        assert context["runAsNonRoot"] and context["runAsUser"] != 0
        assert not context["allowPrivilegeEscalation"] and context["capabilities"] == {"drop": ["ALL"]}
        root = self.world.folder / "roots" / self.unique
        root.mkdir(parents=True, exist_ok=True)
        spec = {
            "root": str(root), "hostname": self.name, "read_only": context["readOnlyRootFilesystem"], "mounts": self.mounts,
            "image": str(self.world.image) if image == "skeinmq" else None, "uid": context["runAsUser"], "gid": context["runAsGroup"],
            "groups": [context["fsGroup"]] if "fsGroup" in context else [],
            "environment": values, "command": words, "files": {
                "/etc/resolv.conf": self.world.resolv_conf(), "/etc/hosts": f"127.0.0.1 localhost\n{self.host.address} {self.name}\n",
            },
        }
        path = self.world.folder / f"{self.unique}.json"
        path.write_text(json.dumps(spec))
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([*self.host.launcher, sys.executable, str(HERE / "pod_root.py"), str(path)], stdout=log,
                                            stderr=log, stdin=subprocess.DEVNULL)

    def execute(self, command, timeout=None):
        """As `kubectl exec`."""
        context = {**self.spec["securityContext"], **self.container["securityContext"]}
        _, values = self.environment()
        return subprocess.run(
            ["/usr/bin/nsenter", f"--target={self.process.pid}", "--net", "--mount", "--root", "--wd", f"--setuid={context['runAsUser']}",
             f"--setgid={context['runAsGroup']}", *command], capture_output=True, text=True, timeout=timeout, check=False,
            env={**values, "PATH": PATH})

    def run(self):
        self.start()
        while not self.deleted.is_set():
            code = self.process.poll()
            if code is None:
                self.deleted.wait(0.05)
                continue
            self.exit_code, self.ready, self.started = code, False, False
            if self.spec.get("restartPolicy") == "Never":
                break
            self.restarts += 1
            self.deleted.wait(1)
            if not self.deleted.is_set():
                self.start()
        self.end()
        self.ready = False
        self.gone.set()

    def end(self):
        """preStop, SIGTERM, and SIGKILL when the grace period is over."""
        deadline = time.monotonic() + self.spec.get("terminationGracePeriodSeconds", 30)
        hook = self.container.get("lifecycle", {}).get("preStop")
        if hook and self.process.poll() is None and not self.killed:
            try:
                done = self.execute(hook["exec"]["command"], timeout=deadline - time.monotonic())
                self.hook = (done.returncode, done.stdout + done.stderr)
            except subprocess.TimeoutExpired:
                self.hook = (None, "it took longer than the grace period")
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL if self.killed else signal.SIGTERM)
        try:
            self.exit_code = self.process.wait(max(0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.killed = True
            self.process.kill()
            self.exit_code = self.process.wait()

    # --- probes ----------------------------------------------------------------------------------------------------------

    def ask(self, probe):
        get = probe["httpGet"]
        port = next(each["containerPort"] for each in self.container["ports"] if each["name"] == get["port"])
        connection = http.client.HTTPConnection(self.host.address, port, timeout=probe.get("timeoutSeconds", 1))
        try:
            connection.request("GET", get["path"])
            return 200 <= connection.getresponse().status < 400
        except OSError:
            return False
        finally:
            connection.close()

    def probe(self):
        """Startup first; then liveness and readiness, each in its own time."""
        enter(FOLDER / self.world.node.namespace)
        if "livenessProbe" not in self.container:
            return
        misses, due = {}, {}
        while not self.gone.is_set():
            names = ("livenessProbe", "readinessProbe") if self.started else ("startupProbe",)
            for name in names:
                probe = self.container[name]
                if time.monotonic() < due.get(name, 0):
                    continue
                due[name] = time.monotonic() + probe.get("periodSeconds", 10)
                well = self.ask(probe)
                misses[name] = 0 if well else misses.get(name, 0) + 1
                self.probed[name] = well
                self.take(name, well, misses[name] >= probe.get("failureThreshold", 3))
            self.gone.wait(0.1)

    def take(self, name, well, failed):
        if name == "startupProbe" and well:
            self.started = True
        elif name == "readinessProbe":
            if well and not self.deleted.is_set():
                self.ready = True
            elif failed:
                self.ready = False
        if failed and name != "readinessProbe":
            self.failures.append(name)
            self.process.kill()


class Kubernetes:
    def __init__(self, folder, documents, namespace="iot", image=None):
        """`image`: a file system; by default what deploy/image_root.sh makes of $SKEINMQD."""
        self.folder, self.documents, self.namespace = folder, documents, namespace
        self.image = image or image_of(folder / "image", program())  # of brokers that are started from now on
        self.network = Network()
        self.dns_host, self.node, self.clients = (self.network.add(name) for name in ("dns", "node", "clients"))
        self.pods, self.leaving, self.count = {}, [], 0
        self.dns = DnsServer(self.dns_host, self.addresses_of)

    def data(self, kind, name):
        document = self.documents[kind, name]
        if kind == "Secret":
            return {key: base64.b64decode(value) for key, value in document["data"].items()}
        return {key: value.encode() for key, value in document["data"].items()}

    def resolv_conf(self):
        domain = "svc.cluster.local"
        return f"nameserver {self.dns.address}\nsearch {self.namespace}.{domain} {domain} cluster.local\noptions ndots:5\n"

    def addresses_of(self, name):
        """Pods behind a service: all of them if it says so, else those that are ready; or one pod of a headless one."""
        match = re.fullmatch(rf"(?:([a-z0-9-]+)\.)?([a-z0-9-]+)\.{self.namespace}\.svc\.cluster\.local", name)
        service = match and self.documents.get(("Service", match.group(2)))
        if not service:
            return None
        chosen = [pod for pod in list(self.pods.values()) if service["spec"]["selector"].items() <= pod.labels.items()
                  and (pod.ready or service["spec"].get("publishNotReadyAddresses"))]
        if match.group(1):
            chosen = [pod for pod in chosen if pod.name == match.group(1)]
        return [pod.host.address for pod in chosen] or None

    # --- controllers -----------------------------------------------------------------------------------------------------

    def stateful(self, name):
        return self.documents["StatefulSet", name]["spec"]

    def create(self, stateful, number):
        """The pod of a StatefulSet with that number."""
        spec = self.stateful(stateful)
        pod = json.loads(json.dumps(spec["template"]["spec"]))
        name = f"{stateful}-{number}"
        for claim in spec.get("volumeClaimTemplates", []):
            claim_name = f"{claim['metadata']['name']}-{name}"
            pod.setdefault("volumes", []).append({"name": claim["metadata"]["name"], "persistentVolumeClaim": {"claimName": claim_name}})
        return self.launch(name, pod, spec["template"]["metadata"]["labels"])

    def launch(self, name, spec, labels):
        self.count += 1
        pod = self.pods[name] = Pod(self, name, spec, labels, f"{name}-{self.count}")
        for thread in pod.threads:
            thread.start()
        return pod

    def members(self, stateful):
        named = [(name, pod) for name, pod in self.pods.items() if re.fullmatch(rf"{stateful}-\d+", name)]
        return [pod for _, pod in sorted(named, key=lambda each: int(each[0].rsplit("-", 1)[1]))]

    def scale(self, stateful, replicas=None):
        """Parallel, as the chart says: all at once. Does not wait."""
        assert self.stateful(stateful)["podManagementPolicy"] == "Parallel"
        replicas = self.stateful(stateful)["replicas"] if replicas is None else replicas
        for number in range(replicas):
            if f"{stateful}-{number}" not in self.pods:
                self.create(stateful, number)
        return [self.delete(pod.name) for pod in self.members(stateful)[replicas:]]

    def delete(self, name):
        """Asks the pod to end; it is not sent clients any more. Its `gone` says when it has."""
        pod = self.pods[name]
        pod.ready = False
        pod.deleted.set()
        threading.Thread(target=self.forget, args=(pod,), daemon=True).start()
        return pod

    def forget(self, pod):
        pod.gone.wait()
        self.leaving.append(pod)
        if self.pods.get(pod.name) is pod:
            del self.pods[pod.name]

    def replace(self, pod, deadline):
        """Deletes a pod and waits for its successor to be ready, as a rolling update does."""
        stateful, number = pod.name.rsplit("-", 1)
        self.delete(pod.name)
        wait_until(lambda: pod.name not in self.pods, deadline, f"{pod.name} ends")
        fresh = self.create(stateful, number)
        wait_until(lambda: fresh.ready, deadline, f"{fresh.name} is ready")
        return fresh

    def wait_ready(self, stateful, deadline, replicas=None):
        wanted = self.stateful(stateful)["replicas"] if replicas is None else replicas
        wait_until(lambda: len(self.members(stateful)) == wanted and all(pod.ready for pod in self.members(stateful)), deadline,
                   f"{wanted} pods of {stateful} are ready")

    def report(self):
        """The ends of all logs."""
        return "\n".join(f"--- {path.name}\n{path.read_text(errors='replace')[-1500:]}" for path in sorted(self.folder.glob("*.log")))

    def stop(self):
        for pod in list(self.pods.values()):
            pod.killed = True
            if pod.process and pod.process.poll() is None:
                pod.process.kill()
            pod.deleted.set()
        for pod in list(self.pods.values()):
            pod.gone.wait(10)
        self.dns.stop()
        self.network.remove()
        shutil.rmtree(self.folder / "roots", ignore_errors=True)
