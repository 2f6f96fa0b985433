"""Asks a node's admin API, and runs skeinmqctl against it."""

import json
import os
import subprocess
import urllib.error
import urllib.request

from support.broker import program


def ask(broker, path, method="GET", body=None, token=None, headers=()):
    """Status and answer, decoded if it is JSON."""
    request = urllib.request.Request(broker.admin_url() + path, method=method, data=body.encode() if body is not None else None)
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    for name, value in dict(headers).items():
        request.add_header(name, value)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as refused:
        return refused.code, json.loads(refused.read())


def cluster_of(broker):
    status, cluster = ask(broker, "/api/v1/cluster")
    assert status == 200, cluster
    return cluster


def control(*arguments, code=0):
    """Runs `skeinmqctl cluster ...`; returns what it printed, to standard error where it fails."""
    path = os.environ.get("SKEINMQCTL") or program().replace("skeinmqd", "skeinmqctl")
    done = subprocess.run([path, "cluster", *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode == code, (arguments, done)
    return done.stdout if code == 0 else done.stdout + done.stderr
