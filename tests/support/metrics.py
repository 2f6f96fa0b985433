"""Reads a node's /metrics as a test wants them."""

import re
import urllib.request

from support.broker import wait_until

SAMPLE = re.compile(r'^(\w+)(?:\{(.*)\})? (\S+)$')
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def fetch(broker, token=None):
    """The text of one scrape."""
    request = urllib.request.Request(broker.admin_url() + "/metrics")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4"), answer.headers
        return answer.read().decode()


def parse(text):
    """[(name, labels, value)] of all samples."""
    samples = []
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        found = SAMPLE.match(line)
        assert found, line
        samples.append((found.group(1), dict(LABEL.findall(found.group(2) or "")), float(found.group(3))))
    return samples


def names(text):
    """The families that a scrape names."""
    return set(re.findall(r"^# TYPE (\w+) ", text, re.M))


class Scrape:
    """One scrape: scrape("skeinmq_messages_total", direction="in") is the sum of what has these labels."""

    def __init__(self, broker):
        self.samples = parse(fetch(broker))

    def __call__(self, name, **labels):
        found = [value for sample, of, value in self.samples
                 if sample == name and all(of.get(key) == str(wanted) for key, wanted in labels.items())]
        assert found, f"there is no {name} {labels}"
        return sum(found)


def value(broker, name, **labels):
    return Scrape(broker)(name, **labels)


def wait_value(broker, name, wanted, seconds, **labels):
    """Until it is that; `wanted` may be a condition."""
    condition = wanted if callable(wanted) else lambda now: now == wanted
    last = []

    def look():
        last[:] = [value(broker, name, **labels)]
        return condition(last[0])
    wait_until(look, seconds, f"{name} {labels}")
    return last[0]
