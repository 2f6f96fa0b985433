"""What Helm makes of the chart, with every values file of ci/, and what is refused."""

import json
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


def commands_of(*paths):
    """The text of documents as one line, so that a command may go over two."""
    return re.sub(r"\s+", " ", " ".join(path.read_text() for path in paths).replace("\\\n", ""))


def test_helm_commands_of_the_documents_can_be_rendered():
    """Those of README.md are carried out, see test_readme.py."""
    root = CHART.parents[1]
    text = "\n".join(path.read_text() for path in (root / "README.md", root / "docs" / "operations.md", CHART / "README.md"))
    commands = re.findall(r"^ *(helm (?:install|upgrade) mq \./helm/skeinmq.*)$", text.replace("\\\n", ""), re.M)
    assert len(commands) >= 6
    for command in commands:
        words = [word for word in shlex.split(command)[4:] if word not in ("--wait", "--reuse-values")]
        replicas = render(*words)["StatefulSet", "mq-skeinmq"]["spec"]["replicas"]
        assert replicas == (5 if "replicaCount=5" in command else 3)


def test_kubectl_commands_of_the_documents_name_what_is_there():
    root = CHART.parents[1]
    text = commands_of(root / "README.md", CHART / "README.md", *sorted((root / "docs").rglob("*.md")))
    documents = render("--set", "serviceMonitor.enabled=true,prometheusRule.enabled=true,dashboards.enabled=true")
    pods = {f"{name}-{number}": document["spec"]["template"]["spec"] for (kind, name), document in documents.items()
            if kind == "StatefulSet" for number in range(document["spec"]["replicas"])}
    kinds = {"statefulset": "StatefulSet", "service": "Service", "secret": "Secret", "configmap": "ConfigMap"}
    verbs = r"(?:get|scale|delete|describe|port-forward|rollout \w+)"
    named = re.findall(rf"kubectl {verbs} (pod|statefulset|service|secret|configmap)[ /]([\w-]+)", text)
    assert len(named) >= 5, named
    for kind, name in named:
        assert name in pods if kind == "pod" else (kinds[kind], name) in documents, name
    for name, key in re.findall(r"kubectl get secret ([\w-]+) -o jsonpath='\{\.data\.(\w+)\}'", text):
        assert key in documents["Secret", name]["data"], (name, key)
    for kind, name, port in re.findall(r"kubectl port-forward (pod|service)/([\w-]+) \d+:(\d+)", text):
        there = ([each["containerPort"] for each in pods[name]["containers"][0]["ports"]] if kind == "pod"
                 else [each["port"] for each in documents["Service", name]["spec"]["ports"]])
        assert int(port) in there, (name, port)
    executed = re.findall(r"kubectl exec ([\w-]+) (?:-c ([\w-]+) )?-- (\S+)", text)
    assert executed
    for name, container, program in executed:
        assert container in ("", *(each["name"] for each in pods[name]["containers"])) and program == "skeinmqctl", (name, container)


def policy(*arguments):
    rules = render(*arguments)["NetworkPolicy", "mq-skeinmq"]["spec"]["ingress"]
    return {port["port"]: rule.get("from") for rule in rules for port in rule["ports"]}


def test_who_reaches_what():
    prometheus = {"namespaceSelector": {}, "podSelector": {"matchLabels": {"app.kubernetes.io/name": "prometheus"}}}
    assert policy()["mqtt"] is None, "everybody"
    assert policy()["admin"] == [{"podSelector": {}}]
    for monitor in ("serviceMonitor", "podMonitor"):
        assert policy("--set", f"{monitor}.enabled=true")["admin"] == [{"podSelector": {}}, prometheus]
    given = {"ipBlock": {"cidr": "10.0.0.0/8"}}
    asked = ["--set-json", f"networkPolicy.admin=[{json.dumps(given)}]", "--set-json", f"networkPolicy.clients=[{json.dumps(given)}]"]
    assert policy(*asked, "--set", "serviceMonitor.enabled=true")["admin"] == [given], "whoever says it, says all"
    first, second = policy(*asked)["mqtt"]
    assert first == given
    labels = render()["Pod", "mq-skeinmq-test"]["metadata"]["labels"]
    assert second["podSelector"]["matchLabels"].items() <= labels.items(), "helm test is a client"
