"""The broker takes what the chart configures, and the generated secrets fit."""

import base64
import subprocess

import pytest
import yaml
from chart import CI, helm, render, CHART
from support.broker import program

PLAIN = [path for path in CI if "production" not in path.stem and "external" not in path.stem]


def secret(documents, name):
    return {key: base64.b64decode(value) for key, value in documents["Secret", name]["data"].items()}


def check(folder, documents, name, environment):
    """skeinmqd --check-config with the files of the release below a folder instead of /."""
    for (kind, full), document in documents.items():
        if kind == "Secret" and full.startswith(f"{name}-"):
            place = folder / "etc/skeinmq" / full.removeprefix(f"{name}-")
            place.mkdir(parents=True, exist_ok=True)
            for key, value in secret(documents, full).items():
                (place / key).write_bytes(value)
    config = folder / "etc/skeinmq/config"
    config.mkdir(parents=True, exist_ok=True)
    for key, text in documents["ConfigMap", name]["data"].items():
        (config / key).write_text(text.replace("/etc/skeinmq", str(folder / "etc/skeinmq")))
    return subprocess.run([program(), "--check-config", f"--config={config}/skeinmq.yaml"], capture_output=True, text=True, timeout=60,
                          env=environment, check=False)


@pytest.mark.parametrize("values", PLAIN, ids=lambda path: path.stem)
def test_the_broker_takes_it(tmp_path, values):
    documents = render("-f", str(values))
    environment = {"SKEINMQ_NODE_ID": "mq-skeinmq-0", "SKEINMQ_CLUSTER_ADVERTISE": "mq-skeinmq-0.mq-skeinmq-peers:7883"}
    if "single" in values.stem:
        del environment["SKEINMQ_CLUSTER_ADVERTISE"]
    done = check(tmp_path, documents, "mq-skeinmq", environment)
    assert done.returncode == 0, done.stderr
    assert "refuse every client" not in done.stderr


def names_of(path):
    """All keys of a configuration, nested at their dots."""
    if isinstance(path, dict):
        return {f"{key}.{rest}" if rest else key for key, value in path.items() for rest in names_of(value)}
    return {""}


@pytest.mark.parametrize("values", [path for path in CI if path not in PLAIN], ids=lambda path: path.stem)
def test_every_key_is_one(values):
    """What needs files of others cannot be checked by the broker itself; its keys can."""
    known = subprocess.run([program(), "--print-keys"], capture_output=True, text=True, check=True).stdout
    documents = render("-f", str(values))
    (text,) = [document["data"]["skeinmq.yaml"] for (kind, _), document in documents.items()
               if kind == "ConfigMap" and "skeinmq.yaml" in document["data"]]
    config = yaml.safe_load(text)
    for list_name in ("listeners", "authentication"):
        for entry in config.pop(list_name):
            assert all(f"`{list_name}[].{key}`" in known for key in entry), entry
    assert all(f"`{key}`" in known for key in names_of(config)), names_of(config)


def test_a_wrong_key_is_told(tmp_path):
    documents = render("--set", "config.limits.max_packet=1")
    done = check(tmp_path, documents, "mq-skeinmq", {"SKEINMQ_CLUSTER_ADVERTISE": "a:7883"})
    assert done.returncode == 2 and "limits.max_packet" in done.stderr


def test_a_given_password_is_the_one():
    documents = render("--set", "auth.username=ann", "--set", "auth.password=correct horse", "--set", "admin.token=0123456789abcdefg")
    assert secret(documents, "mq-skeinmq-auth")["password"] == b"correct horse"
    assert secret(documents, "mq-skeinmq-auth")["users.txt"].startswith(b"ann:$6$")
    assert secret(documents, "mq-skeinmq-admin") == {"token": b"0123456789abcdefg"}


def test_generated_secrets_differ_from_release_to_release_and_are_long():
    one, two = (secret(yaml_documents(), "mq-skeinmq-auth")["password"] for _ in range(2))
    assert one != two and len(one) == 24
    assert len(secret(render(), "mq-skeinmq-admin")["token"]) == 48


def yaml_documents():
    """Rendered anew."""
    documents = [each for each in yaml.safe_load_all(helm("helm4", "template", "mq", CHART)) if each]
    return {(each["kind"], each["metadata"]["name"]): each for each in documents}


def test_certificates(tmp_path):
    documents = render()
    for name in ("node", "etcd"):
        files = secret(documents, f"mq-skeinmq-{name}-tls")
        for key, content in files.items():
            (tmp_path / key).write_bytes(content)
        done = subprocess.run(["openssl", "verify", "-CAfile", tmp_path / "ca.crt", tmp_path / "tls.crt"], capture_output=True, text=True,
                              check=False)
        assert done.returncode == 0, done.stderr
        shown = subprocess.run(["openssl", "x509", "-in", tmp_path / "tls.crt", "-noout", "-ext", "subjectAltName,extendedKeyUsage"],
                               capture_output=True, text=True, check=True).stdout
        assert "TLS Web Server Authentication, TLS Web Client Authentication" in shown
        wanted = {"node": ["DNS:mq-skeinmq-0,", "DNS:mq-skeinmq-31,", "DNS:*.mq-skeinmq-peers.iot.svc.cluster.local"],
                  "etcd": ["DNS:mq-skeinmq-etcd-2.mq-skeinmq-etcd.iot.svc.cluster.local", "DNS:localhost"]}[name]
        assert all(each in shown for each in wanted), shown
