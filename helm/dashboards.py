#!/usr/bin/env python3
"""Writes the Grafana dashboards of the chart: skeinmq/dashboards/*.json.

    helm/dashboards.py [--check]

A dashboard is a list of rows of panels; a panel is a title, a unit and expressions with their legends. --check only says whether the
files are as they should be.
"""

import json
import pathlib
import sys

FOLDER = pathlib.Path(__file__).resolve().parent / "skeinmq" / "dashboards"
WHERE = 'namespace=~"$namespace",job=~"$job"'
NODE = 'namespace=~"$namespace",job=~"$job",instance=~"$instance"'


def total(metric, by="", select="", rate=False):
    """sum by (...) of a metric, or of its rate."""
    inner = f"{metric}{{{NODE}{',' + select if select else ''}}}"
    return f"sum{f' by ({by}) ' if by else ''}({f'rate({inner}[$__rate_interval])' if rate else inner})"


def quantiles(metric, by=""):
    """p50 and p99 of a histogram."""
    group = f"le, {by}" if by else "le"
    legend = "".join(f" {{{{{each.strip()}}}}}" for each in by.split(",") if each)
    return [(f"histogram_quantile({q}, sum by ({group}) (rate({metric}_bucket{{{NODE}}}[$__rate_interval])))", f"p{q[2:]}{legend}")
            for q in ("0.50", "0.99")]


def stat(title, expression, unit="short"):
    return {"type": "stat", "title": title, "unit": unit, "targets": [(expression, "")]}


def graph(title, targets, unit="short"):
    return {"type": "timeseries", "title": title, "unit": unit, "targets": targets}


BOARDS = {
    "overview": ("SkeinMQ: overview", [
        [stat("Nodes that answer", f"count(skeinmq_build_info{{{WHERE}}})"),
         stat("Clients connected", total("skeinmq_connections")),
         stat("Messages in", total("skeinmq_messages_total", select='direction="in"', rate=True), "mps"),
         stat("Messages out", total("skeinmq_messages_total", select='direction="out"', rate=True), "mps"),
         stat("Messages that wait", total("skeinmq_queued_messages")),
         stat("Partitions out of reach", f"max(skeinmq_partitions_unavailable{{{WHERE}}})")],
        [graph("Messages", [(total("skeinmq_messages_total", "direction, qos", rate=True), "{{direction}} QoS {{qos}}")], "mps"),
         graph("Bytes", [(total("skeinmq_bytes_total", "direction", rate=True), "{{direction}}")], "Bps")],
        [graph("From PUBLISH to its acknowledgement", quantiles("skeinmq_publish_ack_seconds", "qos"), "s"),
         graph("From PUBLISH to its delivery", quantiles("skeinmq_publish_deliver_seconds", "qos"), "s")],
        [graph("Dropped messages", [(total("skeinmq_messages_dropped_total", "reason", rate=True), "{{reason}}")], "mps"),
         graph("Limits that were reached", [(total("skeinmq_limit_hits_total", "limit", rate=True), "{{limit}}")], "ops")],
        [graph("CPU", [(total("process_cpu_seconds_total", "instance", rate=True), "{{instance}}")], "short"),
         graph("Memory", [(total("process_resident_memory_bytes", "instance"), "{{instance}}")], "bytes")],
        [graph("Lag of the event loops (p99)", quantiles("skeinmq_event_loop_lag_seconds", "instance")[1:], "s"),
         graph("File descriptors", [(f"process_open_fds{{{NODE}}} / process_max_fds{{{NODE}}}", "{{instance}}")], "percentunit")],
    ]),
    "cluster": ("SkeinMQ: cluster", [
        [stat("Members", f"max(sum by (instance) (skeinmq_cluster_members{{{WHERE}}}))"),
         stat("Links that are down", f"count(skeinmq_peer_up{{{WHERE}}} == 0) or vector(0)"),
         stat("Partitions out of reach", f"max(skeinmq_partitions_unavailable{{{WHERE}}})"),
         stat("Nodes without a lease", f"count(skeinmq_coordinator_lease{{{WHERE}}} == 0) or vector(0)")],
        [graph("Partitions of each node", [(total("skeinmq_partitions_led", "instance"), "{{instance}}")]),
         graph("Members by state", [(f"max by (state) (skeinmq_cluster_members{{{WHERE}}})", "{{state}}")])],
        [graph("Round trip between nodes", quantiles("skeinmq_peer_round_trip_seconds", "peer"), "s"),
         graph("Bytes between nodes", [(total("skeinmq_peer_bytes_total", "peer, direction", rate=True), "{{peer}} {{direction}}")], "Bps")],
        [graph("Messages between nodes", [(total("skeinmq_forwarded_messages_total", "direction, qos", rate=True),
                                           "{{direction}} QoS {{qos}}")], "mps"),
         graph("Changes that a peer has not confirmed", [(total("skeinmq_feed_lag_changes", "instance, peer"), "{{instance}} to {{peer}}")])],
        [graph("Outboxes", [(total("skeinmq_outbox_messages", "instance"), "{{instance}}")]),
         graph("Oldest message in an outbox", [(total("skeinmq_outbox_oldest_age_seconds", "instance"), "{{instance}}")], "s")],
        [graph("Hand-overs", [(total("skeinmq_handovers_total", "direction", rate=True), "{{direction}}")], "ops"),
         graph("How long publishers are held by one", quantiles("skeinmq_handover_seconds"), "s")],
        [graph("Divergences that were repaired", [(total("skeinmq_digest_divergences_total", "kind", rate=True), "{{kind}}")], "ops"),
         graph("Routes", [(total("skeinmq_routes", "instance, peer"), "{{instance}} of {{peer}}")])],
    ]),
    "storage": ("SkeinMQ: storage", [
        [stat("Free space, least", f"min(skeinmq_disk_free_bytes{{{NODE}}})", "bytes"),
         stat("Stores", total("skeinmq_database_bytes"), "bytes"),
         stat("Stores that have stopped writing", total("skeinmq_write_stopped"))],
        [graph("Commit", quantiles("skeinmq_commit_seconds", "instance"), "s"),
         graph("Sync of the disk", quantiles("skeinmq_fsync_seconds", "instance"), "s")],
        [graph("Commits", [(total("skeinmq_commit_seconds_count", "instance", rate=True), "{{instance}}")], "ops"),
         graph("Records a commit", quantiles("skeinmq_commit_batch_records", "instance"))],
        [graph("Free space", [(f"skeinmq_disk_free_bytes{{{NODE}}}", "{{instance}}")], "bytes"),
         graph("Size of the store", [(f"skeinmq_database_bytes{{{NODE}}}", "{{instance}}")], "bytes")],
        [graph("Write-ahead log", [(f"skeinmq_wal_bytes{{{NODE}}}", "{{instance}}")], "bytes"),
         graph("Compaction that is due", [(f"skeinmq_compaction_pending_bytes{{{NODE}}}", "{{instance}}")], "bytes")],
        [graph("Write stalls", [(total("skeinmq_write_stalls_total", "instance", rate=True), "{{instance}}")], "ops"),
         graph("Retained messages", [(f"skeinmq_retained_messages{{{NODE}}}", "{{instance}}")])],
    ]),
    "clients": ("SkeinMQ: clients", [
        [stat("Connected", total("skeinmq_connections")),
         stat("Sessions", total("skeinmq_sessions")),
         stat("Subscriptions", total("skeinmq_subscriptions")),
         stat("Messages in flight", total("skeinmq_inflight_messages"))],
        [graph("Connections", [(total("skeinmq_connections", "listener, protocol_version"), "{{listener}} {{protocol_version}}")]),
         graph("Sessions", [(total("skeinmq_sessions", "kind, state"), "{{kind}} {{state}}")])],
        [graph("New connections", [(total("skeinmq_connections_accepted_total", "listener", rate=True), "{{listener}}")], "ops"),
         graph("Ends of connections", [(total("skeinmq_disconnects_total", "reason", rate=True), "{{reason}}")], "ops")],
        [graph("Logins", [(total("skeinmq_authentications_total", "result", rate=True), "{{result}}")], "ops"),
         graph("What clients may do", [(total("skeinmq_authorizations_total", "action, result", rate=True), "{{action}} {{result}}")], "ops")],
        [graph("Connections that were refused", [(total("skeinmq_connections_refused_total", "reason", rate=True), "{{reason}}")], "ops"),
         graph("Packets", [(total("skeinmq_packets_total", "direction, packet", rate=True), "{{direction}} {{packet}}")], "ops")],
        [graph("Messages that wait", [(total("skeinmq_queued_messages", "instance"), "{{instance}}")]),
         graph("Oldest message that waits", [(f"skeinmq_queue_oldest_age_seconds{{{NODE}}}", "{{instance}}")], "s")],
    ]),
}


def variable(name, query, of):
    return {"name": name, "label": name, "type": "query", "datasource": {"type": "prometheus", "uid": "${datasource}"},
            "definition": query, "query": {"query": query, "refId": name}, "refresh": 2, "includeAll": True, "multi": True,
            "allValue": ".*", "current": {"text": "All", "value": "$__all"}, "sort": 1, "hide": 0, "description": of}


def panel_of(panel, number, x, y, width, height):
    source = {"type": "prometheus", "uid": "${datasource}"}
    made = {"id": number, "type": panel["type"], "title": panel["title"], "datasource": source,
            "gridPos": {"x": x, "y": y, "w": width, "h": height},
            "fieldConfig": {"defaults": {"unit": panel["unit"]}, "overrides": []},
            "targets": [{"refId": chr(65 + at), "datasource": source, "expr": expression, **({"legendFormat": legend} if legend else {})}
                        for at, (expression, legend) in enumerate(panel["targets"])]}
    if panel["type"] == "timeseries":
        made["options"] = {"tooltip": {"mode": "multi", "sort": "desc"}, "legend": {"displayMode": "list", "placement": "bottom"}}
    return made


def board_of(name, title, lines):
    panels, y = [], 0
    for line in lines:
        height = 4 if line[0]["type"] == "stat" else 8
        width = 24 // len(line)
        for at, panel in enumerate(line):
            panels.append(panel_of(panel, len(panels) + 1, at * width, y, width, height))
        y += height
    return {"uid": f"skeinmq-{name}", "title": title, "tags": ["skeinmq"], "schemaVersion": 39, "version": 1, "editable": True,
            "time": {"from": "now-1h", "to": "now"}, "refresh": "30s", "timezone": "", "graphTooltip": 1, "panels": panels,
            "links": [{"type": "dashboards", "tags": ["skeinmq"], "title": "SkeinMQ", "asDropdown": False, "keepTime": True,
                       "includeVars": True}],
            "templating": {"list": [
                {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "hide": 0},
                variable("namespace", "label_values(skeinmq_build_info, namespace)", "Kubernetes namespace"),
                variable("job", 'label_values(skeinmq_build_info{namespace=~"$namespace"}, job)', "Release"),
                variable("instance", f"label_values(skeinmq_build_info{{{WHERE}}}, instance)", "Node"),
            ]}}


def main(arguments):
    wrong = 0
    for name, (title, lines) in BOARDS.items():
        text = json.dumps(board_of(name, title, lines), indent=1) + "\n"
        path = FOLDER / f"{name}.json"
        if arguments == ["--check"]:
            if not path.exists() or path.read_text() != text:
                print(f"{path} is not what helm/dashboards.py makes", file=sys.stderr)
                wrong = 1
        else:
            path.write_text(text)
    return wrong


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
