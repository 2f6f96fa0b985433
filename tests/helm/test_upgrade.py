"""What a first install made is kept by the next ones: Helm asks for the Secrets that are there."""

import copy

import pytest
import yaml
from chart import CHART, helm, render, with_both
from fake_api import FakeApi

KEPT = ("mq-skeinmq-auth", "mq-skeinmq-admin", "mq-skeinmq-ca", "mq-skeinmq-node-tls", "mq-skeinmq-etcd-tls")


@pytest.fixture
def api():
    made = FakeApi([copy.deepcopy(document) for (kind, _), document in render().items() if kind == "Secret"])
    yield made
    made.stop()


def data_of(api, name):
    return api.objects["Secret", name]["data"]


def upgrade(program, api, *arguments):
    text = helm(program, "template", "mq", CHART, "--namespace", "iot", "--dry-run=server", "--is-upgrade", "--disable-openapi-validation",
                "--kube-apiserver", api.url, *arguments)
    return {each["metadata"]["name"]: each["data"] for each in yaml.safe_load_all(text) if each and each["kind"] == "Secret"}


@with_both
def test_everything_is_kept(program, api):
    after = upgrade(program, api, "--set", "replicaCount=5")
    assert set(after) == {name for _, name in api.objects} == set(KEPT)
    for name in KEPT:
        assert after[name] == data_of(api, name), name


@with_both
def test_more_names_make_a_new_certificate_of_the_same_authority(program, api):
    after = upgrade(program, api, "--set", "cluster.maxReplicas=64")
    before = {name: data_of(api, name) for name in KEPT}
    assert after["mq-skeinmq-node-tls"]["tls.crt"] != before["mq-skeinmq-node-tls"]["tls.crt"]
    assert after["mq-skeinmq-node-tls"]["ca.crt"] == before["mq-skeinmq-ca"]["ca.crt"]
    assert after["mq-skeinmq-etcd-tls"] == before["mq-skeinmq-etcd-tls"]


def test_a_secret_that_was_deleted_is_made_anew_and_the_others_stay(api):
    before = api.objects.pop(("Secret", "mq-skeinmq-node-tls"))["data"]
    after = upgrade("helm4", api)
    assert after["mq-skeinmq-node-tls"]["tls.crt"] != before["tls.crt"]
    assert after["mq-skeinmq-ca"] == data_of(api, "mq-skeinmq-ca")


def test_a_given_password_wins(api):
    after = upgrade("helm4", api, "--set", "auth.password=new")
    assert after["mq-skeinmq-auth"]["password"] != data_of(api, "mq-skeinmq-auth")["password"]
    assert after["mq-skeinmq-admin"] == data_of(api, "mq-skeinmq-admin")
