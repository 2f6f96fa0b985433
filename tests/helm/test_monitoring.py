"""Alerts: promtool takes them, each fires when it should and not before; and where their links lead."""

import json
import re
import subprocess

import pytest
import yaml
from chart import CHART, ROOT, render

RULES = CHART / "monitoring" / "alerts.yaml"
WHO = 'namespace="iot",job="mq",instance="mq-0"'

# Alert: series that are well, series that are not, and after how many minutes it has to have fired. A value is promtool's notation
# (start+step x times), a minute each.
CASES = {
    "NodeDown": ({'skeinmq_peer_up{%s,peer="b"}': "1x60", 'skeinmq_peer_up{namespace="iot",job="mq",instance="mq-1",peer="b"}': "0x60"},
                 {'skeinmq_peer_up{%s,peer="b"}': "1x10 0x60"}, 20),
    "PartitionsUnavailable": ({"skeinmq_partitions_unavailable{%s}": "0x60"}, {"skeinmq_partitions_unavailable{%s}": "0x9 85x60"}, 15),
    "FeedLag": ({'skeinmq_feed_lag_changes{%s,peer="b"}': "900x60"}, {'skeinmq_feed_lag_changes{%s,peer="b"}': "5000x60"}, 10),
    "RouteDivergence": ({'skeinmq_digest_divergences_total{%s,kind="routes"}': "3x60",
                         'skeinmq_digest_divergences_total{%s,kind="retained"}': "0+1x60"},
                        {'skeinmq_digest_divergences_total{%s,kind="routes"}': "0x9 1x60"}, 20),
    "VersionSkew": ({"skeinmq_cluster_version_mismatch{%s}": "1x50 0x60"}, {"skeinmq_cluster_version_mismatch{%s}": "1x100"}, 90),
    "OutboxGrowing": ({"skeinmq_outbox_oldest_age_seconds{%s}": "0+60x60", "skeinmq_outbox_bytes{%s}": "60000-1000x60"},
                      {"skeinmq_outbox_oldest_age_seconds{%s}": "0+60x60", "skeinmq_outbox_bytes{%s}": "0+1000x60"}, 30),
    "DropRate": ({'skeinmq_messages_dropped_total{%s,reason="queue_full"}': "0+5x60",
                  'skeinmq_messages_dropped_total{%s,reason="no_subscriber"}': "0+5000x60",
                  'skeinmq_messages_total{%s,direction="out",qos="1"}': "0+1000x60"},
                 {'skeinmq_messages_dropped_total{%s,reason="queue_full"}': "0+50x60",
                  'skeinmq_messages_total{%s,direction="out",qos="1"}': "0+1000x60"}, 30),
    "QueueGrowth": ({"skeinmq_queued_messages{%s}": "500000x60"}, {"skeinmq_queued_messages{%s}": "0+1200x60"}, 55),
    "ConnectionChurn": ({'skeinmq_connections_accepted_total{%s,listener="mqtt"}': "0+600x60", "skeinmq_connections{%s}": "10000x60"},
                        {'skeinmq_connections_accepted_total{%s,listener="mqtt"}': "0+3000x60", "skeinmq_connections{%s}": "10000x60"}, 30),
    "AuthFailureSpike": ({'skeinmq_authentications_total{%s,result="bad_credentials"}': "0+100x60",
                          'skeinmq_authentications_total{%s,result="success"}': "0+1000x60"},
                         {'skeinmq_authentications_total{%s,result="bad_credentials"}': "0+500x60",
                          'skeinmq_authentications_total{%s,result="success"}': "0+1000x60"}, 30),
    "DiskFull24h": ({"skeinmq_disk_free_bytes{%s}": "90e9-1e6x800", "skeinmq_disk_size_bytes{%s}": "100e9x800"},
                    {"skeinmq_disk_free_bytes{%s}": "45e9-4e7x800", "skeinmq_disk_size_bytes{%s}": "100e9x800"}, 500),
    "WriteStall": ({"skeinmq_write_stopped{%s}": "0x60", "skeinmq_write_stalls_total{%s}": "2x60"},
                   {"skeinmq_write_stopped{%s}": "0x9 1x60", "skeinmq_write_stalls_total{%s}": "2x60"}, 15),
    "FsyncSlow": ({'skeinmq_fsync_seconds_bucket{%s,le="0.01"}': "0+999x60", 'skeinmq_fsync_seconds_bucket{%s,le="1"}': "0+1000x60",
                   'skeinmq_fsync_seconds_bucket{%s,le="+Inf"}': "0+1000x60"},
                  {'skeinmq_fsync_seconds_bucket{%s,le="0.01"}': "0+900x60", 'skeinmq_fsync_seconds_bucket{%s,le="1"}': "0+1000x60",
                   'skeinmq_fsync_seconds_bucket{%s,le="+Inf"}': "0+1000x60"}, 30),
    "FdNearLimit": ({"process_open_fds{%s}": "700x60", "process_max_fds{%s}": "1000x60", "skeinmq_build_info{%s}": "1x60",
                     'process_open_fds{job="other",instance="x"}': "999x60", 'process_max_fds{job="other",instance="x"}': "1000x60"},
                    {"process_open_fds{%s}": "900x60", "process_max_fds{%s}": "1000x60", "skeinmq_build_info{%s}": "1x60"}, 30),
    "CertExpiry": ({'skeinmq_tls_certificate_not_after_timestamp_seconds{%s,listener="mqtts"}': "2592000x200"},
                   {'skeinmq_tls_certificate_not_after_timestamp_seconds{%s,listener="mqtts"}': "864000x200"}, 120),
}


def rules():
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def test_each_rule_has_a_case_and_the_names_are_those_of_the_issue():
    assert {rule["alert"] for rule in rules()} == {f"SkeinMQ{name}" for name in CASES} and len(CASES) == 15
    for rule in rules():
        assert rule["labels"]["severity"] in ("warning", "critical") and rule["annotations"]["summary"]


def test_promtool_takes_the_rules():
    done = subprocess.run(["promtool", "check", "rules", RULES], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "15 rules found" in done.stdout, done.stdout + done.stderr


def test_each_fires_when_it_should_and_not_before(tmp_path):
    tests = []
    for name, (well, ill, minutes) in CASES.items():
        for series, samples in ((well, []), (ill, [{"labels": "{}", "value": 1}])):
            tests.append({
                "interval": "1m",
                "input_series": [{"series": key.replace("%s", WHO), "values": values} for key, values in series.items()],
                "promql_expr_test": [{"expr": f'count(ALERTS{{alertname="SkeinMQ{name}",alertstate="firing"}})',
                                      "eval_time": f"{minutes}m", "exp_samples": samples}]})
    path = tmp_path / "test.yaml"
    path.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": tests}))
    done = subprocess.run(["promtool", "test", "rules", path], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def anchor(title):
    return re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")


def test_runbooks_are_there():
    for rule in rules():
        path, place = rule["annotations"]["runbook_url"].split("#")
        titles = re.findall(r"^#+ (.*)$", (ROOT / path).read_text(), re.M)
        assert place in map(anchor, titles), f"{rule['alert']}: {path} has no section {place}"


def test_the_chart_has_the_same_rules():
    made = render("--set", "prometheusRule.enabled=true", "--set", "prometheusRule.disabled={SkeinMQVersionSkew}", "--set",
                  "prometheusRule.runbookBase=https://git.example/skeinmq/")["PrometheusRule", "mq-skeinmq"]
    found = {rule["alert"]: rule for group in made["spec"]["groups"] for rule in group["rules"]}
    for rule in rules():
        if rule["alert"] == "SkeinMQVersionSkew":
            assert rule["alert"] not in found
            continue
        rule["annotations"]["runbook_url"] = "https://git.example/skeinmq/" + rule["annotations"]["runbook_url"]
        assert found[rule["alert"]] == rule


def test_the_readme_is_up_to_date():
    assert subprocess.run([ROOT / "helm" / "readme.py", "--check"], check=False).returncode == 0


def test_dashboards_are_up_to_date():
    assert subprocess.run([ROOT / "helm" / "dashboards.py", "--check"], check=False).returncode == 0


@pytest.mark.parametrize("name", ["overview", "cluster", "storage", "clients"])
def test_a_dashboard(name):
    board = json.loads((CHART / "dashboards" / f"{name}.json").read_text())
    assert board["uid"] == f"skeinmq-{name}" and len(board["panels"]) >= 6
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    made = render("--set", "dashboards.enabled=true")["ConfigMap", f"mq-skeinmq-dashboard-{name}"]
    assert json.loads(made["data"][f"skeinmq-{name}.json"]) == board
    assert made["metadata"]["labels"]["grafana_dashboard"] == "1"
