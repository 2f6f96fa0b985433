"""As much of a Kubernetes API server as Helm and `kubectl get` ask: discovery, and objects of one namespace that come, change and go.

    api = FakeApi(documents)            # what is there already
    helm("helm4", "template", ..., "--dry-run=server", "--kube-apiserver", api.url)
    api.stop()

What follows from objects is another's business (controllers.py): `controllers` is told what is applied and removed, says which more objects
there are, and how each is. Threads: one a request; everything else under one lock.
"""

import copy
import http.server
import json
import re
import socket
import threading
import urllib.parse

import secret_proto
import yaml

KINDS = {
    "v1": ("Secret", "ConfigMap", "Service", "ServiceAccount", "Pod"),
    "apps/v1": ("StatefulSet",),
    "policy/v1": ("PodDisruptionBudget",),
    "networking.k8s.io/v1": ("NetworkPolicy",),
    "monitoring.coreos.com/v1": ("ServiceMonitor", "PodMonitor", "PrometheusRule"),
}
PATH = re.compile(r"/apis?/(?P<version>v1|[^/]+/[^/]+)/namespaces/(?P<namespace>[^/]+)/(?P<plural>[a-z]+)(?:/(?P<name>[^/]+))?")
PAUSE = 0.05  # between two looks of a watch


def plural(kind):
    return kind.lower()[:-1] + "ies" if kind.endswith("y") else kind.lower() + "s"


def resources(version):
    verbs = ["get", "list", "watch", "create", "update", "patch", "delete"]
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": [
        {"name": plural(kind), "singularName": kind.lower(), "namespaced": True, "kind": kind, "verbs": verbs} for kind in KINDS[version]]}


def groups():
    found = []
    for version in KINDS:
        if "/" in version:
            known = {"groupVersion": version, "version": version.split("/")[1]}
            found.append({"name": version.split("/")[0], "versions": [known], "preferredVersion": known})
    return found


def fixed(path):
    """What does not depend on objects; None for other paths."""
    version = path.removeprefix("/apis/").removeprefix("/api/")
    return {
        "/version": {"major": "1", "minor": "32", "gitVersion": "v1.32.0"},
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups()},
        "/openapi/v3": {"paths": {}},
    }.get(path) or (resources(version) if version in KINDS else None)


def failure(code, reason, message=""):
    return code, {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": reason, "code": code,
                  "message": message or reason}


def merge(into, patch):
    """RFC 7386; that lists of a strategic merge are taken as a whole is enough for who sends whole lists."""
    for key, value in patch.items():
        assert not key.startswith("$"), f"a patch that is not known here: {key}"
        if value is None:
            into.pop(key, None)
        elif isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], value)
        else:
            into[key] = value


def selects(selector, labels):
    """`a=b,c in (d,e)`"""
    for term in re.findall(r"[^,(]+(?:\([^)]*\))?", selector):
        among = re.fullmatch(r"\s*([^\s]+) in \(([^)]*)\)", term)
        name, values = (among.group(1), among.group(2).split(",")) if among else (term.split("=")[0], [term.split("=")[-1]])
        if labels.get(name.strip()) not in [value.strip() for value in values]:
            return False
    return True


class NoControllers:
    def apply(self, document):
        pass

    def remove(self, document):
        pass

    def more(self):
        return []

    def status(self, document):
        return document.get("status")


class FakeApi:
    """`objects`: documents by (kind, name), to be looked at and changed when no request is under way."""

    def __init__(self, documents=(), controllers=None, namespace="iot"):
        self.objects = {(each["kind"], each["metadata"]["name"]): each for each in documents}
        self.controllers, self.namespace = controllers or NoControllers(), namespace
        self.lock, self.version, self.seen, self.stopped = threading.RLock(), 1, {}, threading.Event()
        api = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                path, _, query = self.path.partition("?")
                query = dict(urllib.parse.parse_qsl(query))
                if query.get("watch") in ("true", "1"):
                    self.stream(api.watch(PATH.fullmatch(path), query))
                elif path == "/openapi/v2":
                    self.send(200, b"", "application/com.github.proto-openapi.spec.v2.v1.0+protobuf")  # a document that says nothing
                else:
                    code, found = api.answer(self.command, path.rstrip("/"), query, self.headers.get("Content-Type", ""), body)
                    self.send(code, json.dumps(found).encode(), "application/json")

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

            def send(self, code, body, kind):
                self.send_response(code)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def stream(self, events):
                self.close_connection = True
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                try:
                    for event in events:
                        self.wfile.write(json.dumps(event).encode() + b"\n" if event else b"")
                        self.wfile.flush()
                        if not event and self.gone():
                            return
                except OSError:
                    return

            def gone(self):
                self.connection.setblocking(False)
                try:
                    return self.connection.recv(1, socket.MSG_PEEK) == b""
                except BlockingIOError:
                    return False
                finally:
                    self.connection.setblocking(True)

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_port}"

    def stop(self):
        self.stopped.set()
        self.server.shutdown()
        self.server.server_close()

    # --- what there is ---------------------------------------------------------------------------------------------------

    def refresh(self):
        """What is there now by (kind, name), each with the version of its last change; what is gone has None and its last sight."""
        there = dict(self.objects)
        there.update({(each["kind"], each["metadata"]["name"]): each for each in self.controllers.more()})
        for key in set(there) | set(self.seen):
            now = copy.deepcopy(there.get(key))
            if now is not None:
                now["metadata"].setdefault("namespace", self.namespace)
                now["metadata"].setdefault("uid", f"{key[0]}-{key[1]}")
                status = self.controllers.status(now)
                if status is not None:
                    now["status"] = status
            _, was, last = self.seen.get(key, (0, None, None))
            if was != now:
                self.version += 1
                self.seen[key] = (self.version, now, now or last)
        return self.seen

    def matching(self, match, query):
        """(version, document or None, last sight) of the objects that a list or a watch is about."""
        with self.lock:
            for (kind, name), (version, document, last) in self.refresh().items():
                fields = dict(term.split("=", 1) for term in query.get("fieldSelector", "").split(",") if term)
                if (plural(kind) == match["plural"] and (document or last)["apiVersion"] == match["version"]
                        and match["namespace"] == self.namespace and fields.get("metadata.name", name) == name
                        and selects(query.get("labelSelector", ""), (document or last)["metadata"].get("labels", {}))):
                    yield version, document, last

    @staticmethod
    def shown(version, document):
        return {**document, "metadata": {**document["metadata"], "resourceVersion": str(version)}}

    def watch(self, match, query):
        """Events; None now and then, to see whether somebody still listens."""
        after = 0 if query.get("sendInitialEvents") == "true" else int(query.get("resourceVersion") or 0)
        known, first = set(), True
        if after:
            known = {document["metadata"]["name"] for version, document, _ in self.matching(match, query) if document and version <= after}
        while not self.stopped.wait(0 if first else PAUSE):
            news = sorted((each for each in self.matching(match, query) if each[0] > after), key=lambda each: each[0])
            for version, document, last in news:
                after, name = max(after, version), last["metadata"]["name"]
                if document is None and name in known:
                    known.discard(name)
                    yield {"type": "DELETED", "object": self.shown(version, last)}
                elif document is not None:
                    yield {"type": "MODIFIED" if name in known else "ADDED", "object": self.shown(version, document)}
                    known.add(name)
            if first and query.get("sendInitialEvents") == "true":
                kind = next(kind for kind in KINDS[match["version"]] if plural(kind) == match["plural"])
                yield {"type": "BOOKMARK", "object": {"kind": kind, "apiVersion": match["version"], "metadata": {
                    "resourceVersion": str(self.version), "annotations": {"k8s.io/initial-events-end": "true"}}}}
            first = False
            yield None

    # --- requests --------------------------------------------------------------------------------------------------------

    def answer(self, method, path, query, content, body):
        known = fixed(path)
        if known:
            return 200, known
        if path == f"/api/v1/namespaces/{self.namespace}":
            return 200, {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": self.namespace}, "status": {"phase": "Active"}}
        match = PATH.fullmatch(path)
        kind = next((each for each in KINDS.get(match["version"], ()) if plural(each) == match["plural"]), None) if match else None
        if kind is None or match["namespace"] != self.namespace:
            return failure(404, "NotFound", path)
        with self.lock:
            if match["name"] is None and method == "GET":
                found = [self.shown(version, document) for version, document, _ in self.matching(match, query) if document]
                return 200, {"kind": f"{kind}List", "apiVersion": match["version"], "metadata": {"resourceVersion": str(self.version)},
                             "items": found}
            given = None
            if method in ("POST", "PUT", "PATCH"):
                given = secret_proto.decode(body) if "protobuf" in content else yaml.safe_load(body)
            return self.one(method, kind, match["name"] or given["metadata"]["name"], content, given, "dryRun" in query)

    def one(self, method, kind, name, content, given, dry):
        there = self.objects.get((kind, name))
        if method == "GET":
            version, document, _ = self.refresh().get((kind, name), (0, None, None))
            return (200, self.shown(version, document)) if document else failure(404, "NotFound", f'{plural(kind)} "{name}" not found')
        if method == "POST" and there:
            return failure(409, "AlreadyExists", f'{plural(kind)} "{name}" already exists')
        applied = method == "PATCH" and "apply-patch" in content
        if not there and method != "POST" and not applied:
            return failure(404, "NotFound", f'{plural(kind)} "{name}" not found')
        if method == "DELETE":
            del self.objects[kind, name]
            self.controllers.remove(there)
            return 200, {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
        document = given
        if method == "PATCH" and not applied:
            document = copy.deepcopy(there)
            merge(document, given)
        document["metadata"].pop("managedFields", None)
        if not dry:
            self.take(kind, name, there, document)
        version, document, _ = self.refresh().get((kind, name), (0, document, None))
        return 201 if not there else 200, self.shown(version, document)

    def take(self, kind, name, there, document):
        changed = not there or there.get("spec") != document.get("spec")
        generation = there["metadata"].get("generation", 1) if there else 0
        document["metadata"]["generation"] = generation + 1 if changed else generation
        if kind == "Service":
            document["spec"].setdefault("clusterIP", "10.96.0.1")
        self.objects[kind, name] = document
        self.controllers.apply(document)
