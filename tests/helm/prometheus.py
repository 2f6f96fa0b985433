"""A real Prometheus that asks the running pods, with the chart's alerts as its rules."""

import json
import subprocess
import urllib.parse
import urllib.request

import yaml
from chart import CHART
from support.broker import wait_until

ADDRESS = "127.0.0.1:9090"


class Prometheus:
    """Runs on a host of the network; to be used by threads that are on that host."""

    def __init__(self, folder, host, pods, deadline):
        folder.mkdir()
        targets = [{"targets": [f"{pod.host.address}:9883"], "labels": {"namespace": "iot", "instance": pod.name}} for pod in pods]
        (folder / "prometheus.yml").write_text(yaml.safe_dump({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(CHART / "monitoring" / "alerts.yaml")],
            "scrape_configs": [{"job_name": "mq", "static_configs": targets}]}))
        with open(folder / "log", "wb") as log:
            self.process = subprocess.Popen(
                [*host.launcher, "prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
                 f"--web.listen-address={ADDRESS}"], stdout=log, stderr=log)
        wait_until(self.answers, deadline, "Prometheus answers")

    def answers(self):
        try:
            return self.ask("query", query="up") is not None
        except OSError:
            return False

    def ask(self, path, **parameters):
        with urllib.request.urlopen(f"http://{ADDRESS}/api/v1/{path}?{urllib.parse.urlencode(parameters)}", timeout=10) as answer:
            return json.loads(answer.read())["data"]

    def query(self, expression):
        """The series that it gives now."""
        return self.ask("query", query=expression)["result"]

    def rules(self):
        """The alerts, by name: their health and state."""
        return {rule["name"]: rule for group in self.ask("rules")["groups"] for rule in group["rules"]}

    def stop(self):
        self.process.kill()
        self.process.wait()
