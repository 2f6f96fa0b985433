"""What Helm makes of the chart, with every values file of ci/, and what is refused."""

import os
import pathlib
import re
import shlex
import shutil

import pytest
import yaml
from chart import CHART, CI, NEWEST, OLDEST, PROGRAMS, broken_copy, helm, render, text_of, validate, with_both

GOLDEN = pathlib.Path(__file__).parent / "golden"


@with_both
@pytest.mark.parametrize("values", CI, ids=lambda path: path.stem)
def test_lint(program, values):
    assert "0 chart(s) failed" in helm(program, "lint", "--strict", CHART, "-f", values)


@pytest.mark.parametrize("values", CI, ids=lambda path: path.stem)
def test_kubernetes_takes_it(values):
    assert validate(text_of("helm4", "-f", str(values)), OLDEST, NEWEST) == []


@pytest.mark.parametrize("values", CI, ids=lambda path: path.stem)
def test_both_render_the_same(values):
    one, two = (render("-f", str(values), program=program) for program in PROGRAMS)
    for documents in (one, two):
        for (kind, _), document in documents.items():
            if kind == "Secret":
                document["data"] = sorted(document["data"])
                document["metadata"].pop("annotations", None)
    assert one == two


@pytest.mark.parametrize("file, before, after, where", [
    ("templates/statefulset.yaml", "automountServiceAccountToken:", "automountServiceAcountToken:", "automountServiceAcountToken"),
    ("templates/statefulset.yaml", "readinessProbe:", "readynessProbe:", "readynessProbe"),
    ("templates/services.yaml", "publishNotReadyAddresses: true", "publishNotReadyAddresses: yes please", "publishNotReadyAddresses"),
    ("templates/etcd.yaml", "imagePullPolicy:", "imagePulPolicy:", "imagePulPolicy"),
    ("templates/policies.yaml", "policyTypes:", "policyType:", "policyType"),
])
def test_a_typo_in_a_template_is_seen(tmp_path, file, before, after, where):
    copy = broken_copy(tmp_path, file, before, after)
    found = validate(helm("helm4", "template", "mq", copy), NEWEST)
    assert found and all(where in line for line in found), found


@with_both
@pytest.mark.parametrize("arguments, wanted", [
    (["--set", "replicaCont=3"], "replicaCont"),
    (["--set", "listeners.mqtt.serivce.type=LoadBalancer"], "serivce"),
    (["--set", "image.tagg=1"], "tagg"),
    (["--set", "listeners.mqtt.scheme=udp"], "scheme"),
    (["--set", "config.listeners[0]=tcp://0.0.0.0:1"], "config"),
    (["--set", "config.log\\.level=debug"], "log.level"),
    (["--set", "replicaCount=33"], "cluster.maxReplicas 32"),
    (["--set", "cluster.enabled=false"], "there is one node"),
    (["--set", "etcd.enabled=false"], "etcd.external.endpoints"),
    (["--set", "internalTls.mode=existing"], "internalTls.nodeSecret"),
    (["--set", "listeners.mqtts.enabled=true"], "clientTls"),
    (["--set", "clientTls.certManager.enabled=true"], "issuerRef"),
    (["--set", "drain.seconds=100"], "terminationGracePeriodSeconds"),
    (["--set", "etcd.members=2"], "members"),
    (["--set", "admin.token=short"], "token"),
])
def test_what_is_refused(program, arguments, wanted):
    assert wanted in helm(program, "template", "mq", CHART, *arguments, code=1)


def test_an_older_kubernetes_is_refused():
    assert "kubeVersion" in helm("helm4", "template", "mq", CHART, "--kube-version", "1.26.0", code=1)


def pods(documents):
    for (kind, name), document in documents.items():
        if kind == "StatefulSet":
            yield name, document["spec"]["template"]["spec"]
        elif kind == "Pod":
            yield name, document["spec"]


@pytest.mark.parametrize("values", CI, ids=lambda path: path.stem)
def test_what_every_pod_may_and_may_not(values):
    for name, pod in pods(render("-f", str(values))):
        assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] > 10000, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert pod["enableServiceLinks"] is False, name
        own = [each for each in pod["containers"] if each["name"] in ("skeinmq", "etcd", "publish")]
        assert len(own) == 1
        context = own[0]["securityContext"]
        assert context == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}, name
        assert "memory" in own[0]["resources"]["limits"] and "cpu" in own[0]["resources"]["requests"], name


def test_nothing_is_public_as_it_comes():
    documents = render()
    for (kind, name), document in documents.items():
        if kind == "Service":
            assert document["spec"].get("type", "ClusterIP") == "ClusterIP", name
            assert not any("nodePort" in port for port in document["spec"]["ports"]), name
        assert kind != "Ingress"
    assert {name for kind, name in documents if kind == "NetworkPolicy"} == {"mq-skeinmq", "mq-skeinmq-etcd"}
    for _, pod in pods(documents):
        assert pod["automountServiceAccountToken"] is False


def test_a_change_of_the_configuration_makes_pods_anew_and_one_of_the_number_does_not():
    def marks(*arguments):
        return render(*arguments)["StatefulSet", "mq-skeinmq"]["spec"]["template"]["metadata"]["annotations"]
    assert marks() == marks("--set", "replicaCount=5")
    assert marks()["skeinmq/config"] != marks("--set", "config.log.level=debug")["skeinmq/config"]
    assert marks()["skeinmq/names"] != marks("--set", "cluster.maxReplicas=64")["skeinmq/names"]


def golden_parts():
    """What a reader of the manifests looks at first, small: pods, Services and the configuration, as the chart comes."""
    documents = render()
    broker = documents["StatefulSet", "mq-skeinmq"]["spec"]
    pod = broker["template"]["spec"]
    (etcd,) = documents["StatefulSet", "mq-skeinmq-etcd"]["spec"]["template"]["spec"]["containers"]
    services = {name: document["spec"] for (kind, name), document in documents.items() if kind == "Service"}
    return {
        "objects.txt": "".join(f"{kind} {name}\n" for kind, name in sorted(documents)),
        "skeinmq.yaml": documents["ConfigMap", "mq-skeinmq"]["data"]["skeinmq.yaml"],
        "pod.yaml": yaml.safe_dump({key: pod[key] for key in pod if key != "topologySpreadConstraints"}, sort_keys=True, width=130),
        "services.yaml": yaml.safe_dump(services, sort_keys=True, width=130),
        "etcd-args.yaml": yaml.safe_dump(etcd["args"], width=130),
    }


def test_golden():
    for name, text in golden_parts().items():
        if os.environ.get("UPDATE_GOLDEN"):
            (GOLDEN / name).write_text(text)
        assert text == (GOLDEN / name).read_text(), f"{name}: UPDATE_GOLDEN=1 writes it anew if that is meant"


def test_the_notes_name_what_is_there(tmp_path):
    # `helm template` does not print them, and `helm install` wants a Kubernetes cluster.
    copy = tmp_path / "skeinmq"
    shutil.copytree(CHART, copy)
    shutil.move(copy / "templates" / "NOTES.txt", copy / "notes")
    (copy / "templates" / "notes.yaml").write_text('{kind: Notes, text: {{ tpl (.Files.Get "notes") . | quote }}}')
    notes = yaml.safe_load(helm("helm4", "template", "mq", copy, "--namespace", "iot", "-s", "templates/notes.yaml"))["text"]
    documents = render()
    for kind, name in re.findall(r"(statefulset|service)/([\w-]+)", notes) + re.findall(r"get (secret) ([\w-]+)", notes):
        assert (dict(statefulset="StatefulSet", service="Service", secret="Secret")[kind], name) in documents, name
    host = re.search(r"tcp://([\w-]+)\.iot\.svc:(\d+)", notes)
    assert documents["Service", host.group(1)]["spec"]["ports"][0]["port"] == int(host.group(2))
    assert "exec mq-skeinmq-0 -c skeinmq -- skeinmqctl cluster status" in notes
    assert "replicaCount=5" in notes


def test_the_commands_of_the_readme_name_what_is_there():
    """README.md, docs/operations.md: values exist, and so do the objects."""
    text = (CHART.parents[1] / "README.md").read_text() + (CHART.parents[1] / "docs" / "operations.md").read_text()
    commands = re.findall(r"^ *(helm (?:install|upgrade) mq \./helm/skeinmq.*)$", text, re.M)
    assert len(commands) >= 4
    for command in commands:
        words = [word for word in shlex.split(command)[4:] if word not in ("--wait", "--reuse-values")]
        replicas = render(*words)["StatefulSet", "mq-skeinmq"]["spec"]["replicas"]
        assert replicas == (5 if "replicaCount=5" in command else 3)
    documents = render("--set", "serviceMonitor.enabled=true,prometheusRule.enabled=true,dashboards.enabled=true")
    assert {"ServiceMonitor", "PrometheusRule"} <= {kind for kind, _ in documents}
    for kind, name in re.findall(r"kubectl .*?(service)/([\w-]+)", text) + re.findall(r"kubectl get (secret) ([\w-]+)", text):
        assert (kind.capitalize(), name) in documents, name
    assert documents["StatefulSet", "mq-skeinmq"]["spec"]["template"]["spec"]["containers"][0]["image"] == "skeinmq:0.1.0"
