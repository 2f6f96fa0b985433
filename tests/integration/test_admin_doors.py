"""Who gets in at the operators' door: roles of tokens, HTTPS, client certificates."""

import json
import ssl
import subprocess
import urllib.error
import urllib.request

from admin_client import ask, control
from mqtt_client import DEADLINE
from secure import Certificates
from support.broker import program, wait_until

ROLES = ("read", "operate", "admin")


def configure(folder, text):
    config = folder / "skeinmq.yaml"
    config.write_text(text)
    return ["--config", str(config)]


def tokens(folder):
    for role in ROLES:
        (folder / role).write_text(f"{role}-0123456789abcdef\n")
    return "admin:\n  tokens:\n" + "".join(f"    - {{name: the-{role}, role: {role}, file: {folder / role}}}\n" for role in ROLES)


def test_roles_of_tokens(start_broker, tmp_path):
    broker = start_broker(arguments=configure(tmp_path, tokens(tmp_path)))
    wait_until(lambda: ask(broker, "/readyz")[0] == 200, DEADLINE, "it is ready")
    requests = (("GET", "/api/v1/clients", None, "read", 200), ("PUT", "/api/v1/log-level", '{"level": "info"}', "operate", 200),
                ("DELETE", "/api/v1/clients/nobody/session", None, "admin", 404))
    for method, path, body, needed, status in requests:
        for role in ROLES:
            got, answer = ask(broker, path, method, body, f"{role}-0123456789abcdef")
            enough = ROLES.index(role) >= ROLES.index(needed)
            assert got == (status if enough else 403), (path, role, answer)
            assert enough or needed in answer["error"]
        assert ask(broker, path, method, body)[0] == 401
        assert ask(broker, path, method, body, "nobody-0123456789abcdef")[0] == 401
    log = broker.log()
    assert "who=the-operate" in log and "path=/api/v1/log-level" in log, "who has changed something is logged"
    assert "0123456789abcdef" not in log
    shown = {row["key"]: row["value"] for row in ask(broker, "/api/v1/config", token="read-0123456789abcdef")[1]["values"]}
    assert shown["admin.tokens[0].name"] == "the-read" and str(tmp_path / "read") in shown["admin.tokens[0].file"]


def test_mistakes_are_told(tmp_path):
    def check(text, *arguments):
        done = subprocess.run([program(), "--check-config", *configure(tmp_path, text), *arguments], capture_output=True, text=True,
                              timeout=60)
        return done.returncode, done.stderr
    certificates = Certificates(tmp_path / "certificates")
    cert, key = certificates.files("server")
    assert check(tokens(tmp_path)) == (0, "")
    code, text = check("admin:\n  tokens:\n    - {name: a, role: boss, file: x}\n")
    assert code == 2 and "read, operate or admin" in text
    code, text = check("admin:\n  tokens:\n    - {name: a, role: read}\n")
    assert code == 2 and "admin.tokens[0].file" in text
    code, text = check("admin:\n  tokens:\n    - {name: a, role: read, file: /nowhere}\n")
    assert code == 2 and "/nowhere: cannot be read" in text
    code, text = check(f"admin:\n  tls:\n    cert_file: {cert}\n")
    assert code == 2 and "go together" in text
    code, text = check(f"admin:\n  tls: {{cert_file: {cert}, key_file: {cert}}}\n")
    assert code == 2 and "admin.tls" in text
    code, text = check(f"admin:\n  tls: {{cert_file: {cert}, key_file: {key}, client_ca_file: {certificates.ca}}}\n")
    assert code == 2 and "client_roles" in text
    code, text = check("", "--admin-listen", "0.0.0.0:9883")
    assert code == 2 and "admin.tls.client_roles" in text


class Asker:
    """Asks over HTTPS, with or without a certificate."""

    def __init__(self, broker, certificates, name=None):
        self.url = broker.admin_url().replace("http://", "https://")
        self.context = ssl.create_default_context(cafile=certificates.ca)
        if name:
            self.context.load_cert_chain(*certificates.files(name))

    def ask(self, path, method="GET", token=None):
        request = urllib.request.Request(self.url + path, method=method)
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        try:
            with urllib.request.urlopen(request, timeout=30, context=self.context) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as refused:
            return refused.code, json.loads(refused.read())


def test_https_and_client_certificates(start_broker, tmp_path):
    certificates = Certificates(tmp_path / "certificates")
    for name in ("alice", "grafana", "stranger"):
        certificates.issue(name)
    cert, key = certificates.files("server")
    (tmp_path / "token").write_text("0123456789abcdef\n")
    broker = start_broker(arguments=["--admin-listen", "0.0.0.0:0", *configure(tmp_path, f"""
admin:
  token_file: {tmp_path / "token"}
  tls:
    cert_file: {cert}
    key_file: {key}
    client_ca_file: {certificates.ca}
    client_roles: [alice=admin, grafana=read]
""")])
    broker.admin_url = lambda url=broker.admin_url().replace("0.0.0.0", "127.0.0.1"): url
    alice, grafana, stranger = (Asker(broker, certificates, name) for name in ("alice", "grafana", "stranger"))
    bare = Asker(broker, certificates)
    wait_until(lambda: bare.ask("/readyz")[0] == 200, DEADLINE, "probes need nothing")
    assert alice.ask("/api/v1/clients")[0] == grafana.ask("/api/v1/clients")[0] == 200
    assert alice.ask("/api/v1/clients/x/session", "DELETE")[0] == 404
    assert grafana.ask("/api/v1/clients/x/session", "DELETE")[0] == 403
    assert stranger.ask("/api/v1/clients")[0] == bare.ask("/api/v1/clients")[0] == 401
    assert bare.ask("/api/v1/clients", token="0123456789abcdef")[0] == 200
    wait_until(lambda: "certificate alice" in broker.log(), DEADLINE, "who did it is in the log")
    # Plain HTTP, and certificates of somebody else's authority, get no answer.
    with socket_error():
        ask(broker, "/livez")
    others = Certificates(tmp_path / "others")
    others.issue("alice")
    forged = Asker(broker, certificates)
    forged.context.load_cert_chain(*others.files("alice"))
    with socket_error():
        forged.ask("/api/v1/clients")
    # skeinmqctl has the same keys.
    server = ["--server", alice.url, "--ca", certificates.ca]
    alice_cert, alice_key = certificates.files("alice")
    assert "n" in control("status", *server, "--cert", alice_cert, "--key", alice_key)
    control("status", *server, code=3)
    control("status", "--server", alice.url, "--cert", alice_cert, "--key", alice_key, code=1)  # not an authority of the system
    control("status", *server, "--cert", alice_cert, code=2)
    # A new certificate holds without a restart.
    before = ssl.get_server_certificate(("127.0.0.1", int(alice.url.rsplit(":", 1)[1])))
    certificates.issue("server", "DNS:localhost,IP:127.0.0.1")

    def renewed():
        return ssl.get_server_certificate(("127.0.0.1", int(alice.url.rsplit(":", 1)[1]))) != before
    wait_until(renewed, DEADLINE, "the new one is shown")
    assert alice.ask("/api/v1/clients")[0] == 200


class socket_error:
    """No answer at all: refused, reset or cut."""

    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        assert kind is not None, "it was answered"
        return issubclass(kind, (OSError, urllib.error.URLError, ValueError))
