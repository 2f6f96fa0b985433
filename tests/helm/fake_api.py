"""As much of a Kubernetes API server as Helm's `lookup` asks: discovery, and the Secrets that are there."""

import http.server
import json
import threading

KINDS = {
    "v1": ("Secret", "ConfigMap", "Service", "ServiceAccount", "Pod"),
    "apps/v1": ("StatefulSet",),
    "policy/v1": ("PodDisruptionBudget",),
    "networking.k8s.io/v1": ("NetworkPolicy",),
}


def plural(kind):
    return kind.lower()[:-1] + "ies" if kind.endswith("y") else kind.lower() + "s"


def resources(version):
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": [
        {"name": plural(kind), "singularName": kind.lower(), "namespaced": True, "kind": kind, "verbs": ["get", "list"]}
        for kind in KINDS[version]]}


def groups():
    found = []
    for version in KINDS:
        if "/" in version:
            known = {"groupVersion": version, "version": version.split("/")[1]}
            found.append({"name": version.split("/")[0], "versions": [known], "preferredVersion": known})
    return found


class FakeApi:
    """`secrets`: documents by name. Serves on a port of the loopback until stop()."""

    def __init__(self, secrets):
        self.secrets = secrets
        api = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                found = api.answer(self.path.split("?")[0].rstrip("/"))
                status = 200 if found else 404
                body = json.dumps(found or {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404})
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, path):
        if path == "/version":
            return {"major": "1", "minor": "32", "gitVersion": "v1.32.0"}
        if path == "/api":
            return {"kind": "APIVersions", "versions": ["v1"]}
        if path == "/apis":
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups()}
        version = path.removeprefix("/apis/").removeprefix("/api/")
        if version in KINDS:
            return resources(version)
        return self.secrets.get(path.rsplit("/", 1)[1]) if "/namespaces/iot/secrets/" in path else None

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
