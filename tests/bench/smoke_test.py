"""Every scenario of skeinmq-bench, short, against the broker: nothing lost, nothing repeated, no protocol error.

$SKEINMQD and $SKEINMQ_BENCH name the two programs.
"""

import json
import os
import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.broker import Broker  # noqa: E402

SCENARIOS = {
    "pairs": ["--clients", "10", "--count", "2000"],
    "fanin": ["--clients", "10", "--count", "2000"],
    "fanout": ["--clients", "20", "--count", "200"],
    "pub": ["--clients", "5", "--count", "1000"],
}


class SmokeTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = Broker.start(shards=1)
        cls.addClassCleanup(cls.broker.stop)

    def bench(self, *arguments):
        command = [os.environ["SKEINMQ_BENCH"], *arguments, "--json", "--warmup", "0",
                   "--host", self.broker.host, "--port", str(self.broker.port)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}\n{self.broker.log()}")
        return json.loads(done.stdout)

    def test_traffic(self):
        for name, arguments in SCENARIOS.items():
            for version in ("3.1.1", "5"):
                for qos in range(3):
                    with self.subTest(name=name, version=version, qos=qos):
                        result = self.bench(name, *arguments, "--version", version, "--qos", str(qos))
                        self.assertGreaterEqual(result["acknowledged"], int(arguments[-1]))

    def test_fixed_rate(self):
        result = self.bench("pairs", "--clients", "4", "--rate", "1000", "--count", "500")
        self.assertEqual(result["delivered"], 500)

    def test_large_payload(self):
        result = self.bench("pairs", "--clients", "2", "--size", "262144", "--count", "40", "--qos", "1")
        self.assertEqual(result["delivered"], 40)

    def test_idle_connections(self):
        result = self.bench("connect", "--clients", "200", "--keep-alive", "1", "--seconds", "2")
        self.assertEqual(result["connections"], 200)
        self.assertGreaterEqual(result["pings_answered"], 200)


if __name__ == "__main__":
    unittest.main()
