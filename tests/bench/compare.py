#!/usr/bin/python3
"""Compares skeinmqd with Debian's mosquitto: CPU time a message, throughput, memory an idle connection.

    tests/bench/compare.py --bench build/release/cmd/skeinmq-bench/skeinmq-bench \\
                           --skeinmqd build/release/cmd/skeinmqd/skeinmqd [--quick] [--json FILE]

Both brokers run on one core, the generator on another; each is started anew for every round, the rounds alternate (A B A B)
and the table shows the median. Without skeinmqd (option or $SKEINMQD) mosquitto is measured alone. CPU time is the
scheduler's account of the broker's threads, divided by the messages delivered while it was taken: it says what a message
costs even when the machine has other work to do, which throughput does not.

Exit code 1 when a run lost messages or a broker did not work; with --check also when a goal below is missed.
"""

import argparse
import json
import os
import pathlib
import platform
import resource
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from support.broker import free_port  # noqa: E402

BENCH = "build/release/cmd/skeinmq-bench/skeinmq-bench"
BROKER_CORE = 0
GENERATOR_CORE = 1
START_SECONDS = 20.0
STOP_SECONDS = 20.0

# Mosquitto as Debian ships it, but for: anonymous clients, no disk, and no limits that would make it drop or hold back
# messages within the windows used here (by default 20 in flight and 1,000 queued per client).
MOSQUITTO_CONFIG = """\
listener {port} 127.0.0.1
allow_anonymous true
persistence false
max_inflight_messages 1000
max_queued_messages 0
log_type error
"""

# name -> (arguments of skeinmq-bench, goal: our CPU a message by mosquitto's)
TRAFFIC = {
    "pairs 50, QoS 0, window 64": (["pairs", "--clients", "50", "--qos", "0", "--window", "64"], 0.15),
    "pairs 50, QoS 1, window 64": (["pairs", "--clients", "50", "--qos", "1", "--window", "64"], 0.15),
    "pairs 50, QoS 2, window 64": (["pairs", "--clients", "50", "--qos", "2", "--window", "64"], 0.15),
    "pairs 50, QoS 0, window 1": (["pairs", "--clients", "50", "--qos", "0", "--window", "1"], 1.0),
    "pairs 50, QoS 1, window 1": (["pairs", "--clients", "50", "--qos", "1", "--window", "1"], 1.0),
    "pairs 50, QoS 2, window 1": (["pairs", "--clients", "50", "--qos", "2", "--window", "1"], 1.0),
    "pairs 50, QoS 1, 5,000 a second": (["pairs", "--clients", "50", "--qos", "1", "--rate", "5000"], None),
    "fan-out 1 to 500, QoS 0, window 16": (["fanout", "--clients", "500", "--qos", "0", "--window", "16"], 0.35),
    "fan-out 1 to 500, QoS 1, window 16": (["fanout", "--clients", "500", "--qos", "1", "--window", "16"], 0.35),
    "fan-out 1 to 500, QoS 0, window 1": (["fanout", "--clients", "500", "--qos", "0", "--window", "1"], None),
    "fan-in 50 to 1, QoS 1, window 64": (["fanin", "--clients", "50", "--qos", "1", "--window", "64"], None),
}
IDLE_GOAL = 1.0


class Failure(Exception):
    """A broker or the generator did not do its part."""


class Broker:
    """One broker process on BROKER_CORE, in a folder of its own that goes away with it."""

    def __init__(self, kind, program):
        self.kind = kind
        self.program = program

    def __enter__(self):
        self.port = free_port()
        self.folder = tempfile.TemporaryDirectory(prefix="skeinmq-bench-")
        self.log_path = pathlib.Path(self.folder.name) / "log"
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(self._command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            preexec_fn=lambda: os.sched_setaffinity(0, {BROKER_CORE}))
        try:
            self._wait_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _command(self):
        folder = pathlib.Path(self.folder.name)
        if self.kind == "mosquitto":
            config = folder / "mosquitto.conf"
            config.write_text(MOSQUITTO_CONFIG.format(port=self.port))
            return [self.program, "-c", str(config)]
        return [self.program, "--listen", f"tcp://127.0.0.1:{self.port}", "--set", "admin.listen=", "--data-dir", str(folder / "data"),
                "--shards", "1"]

    def _wait_ready(self):
        deadline = time.monotonic() + START_SECONDS
        while True:
            if self.process.poll() is not None:
                raise Failure(f"{self.kind} ended at start with {self.process.returncode}:\n{self.log()}")
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise Failure(f"{self.kind} does not accept connections:\n{self.log()}")
                time.sleep(0.02)

    def log(self):
        return self.log_path.read_text(errors="replace")[-4000:]

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.folder.cleanup()


def run_bench(bench, broker, arguments):
    """One run of the generator; its JSON object."""
    command = [bench, *arguments, "--port", str(broker.port), "--broker-pid", str(broker.process.pid), "--json"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600,
                          preexec_fn=lambda: os.sched_setaffinity(0, {GENERATOR_CORE}))
    if done.returncode != 0:
        raise Failure(f"{' '.join(command)}\nexit code {done.returncode}\n{done.stdout}{done.stderr}\n"
                      f"{broker.kind}: {broker.log()}")
    return json.loads(done.stdout)


def traffic_row(result):
    return {
        "cpu_us_per_message": result["broker"]["cpu_us_per_message"],
        "messages_per_second": result["messages_per_second"],
        "p50_us": result["latency_us"]["p50"],
        "p99_us": result["latency_us"]["p99"],
        "broker_cpu_share": result["broker"]["cpu_seconds"] / result["seconds"],
        "generator_cpu_share": result["generator_cpu_seconds"] / result["seconds"],
    }


def idle_row(result):
    return {
        "bytes_per_connection": result["broker"]["bytes_per_connection"],
        "private_bytes_per_connection": result["broker"]["uss_growth_bytes"] / result["connections"],
        "connect_seconds": result["connect_seconds"],
        "idle_cpu_share": result["broker"]["cpu_seconds"] / (result["seconds"] + result["connect_seconds"]),
    }


def show_progress(text):
    if sys.stderr.isatty():
        print(f"\r{text}\x1b[K", end="", file=sys.stderr, flush=True)


def measure(name, rounds, run, brokers):
    """{kind: {figure: median}} over alternating rounds."""
    rows = {kind: [] for kind in brokers}
    for turn in range(rounds):
        for kind, program in brokers.items():
            show_progress(f"{name}: round {turn + 1}/{rounds}, {kind}")
            with Broker(kind, program) as broker:
                rows[kind].append(run(broker))
    show_progress("")
    return {kind: {figure: statistics.median(row[figure] for row in found) for figure in found[0]}
            for kind, found in rows.items()}


def compare(options, brokers):
    results = {}
    chosen = {name: entry for name, entry in TRAFFIC.items() if options.only in name}
    for name, (arguments, goal) in chosen.items():
        timing = ["--seconds", str(options.seconds), "--warmup", str(options.warmup), "--version", options.version]
        figures = measure(name, options.rounds,
                          lambda broker: traffic_row(run_bench(options.bench, broker, arguments + timing)), brokers)
        results[name] = finish(figures, goal, "cpu_us_per_message")
        print_row(name, results[name])
    name = f"idle, {options.idle} connections"
    if options.only in name:
        arguments = ["connect", "--clients", str(options.idle), "--seconds", "2", "--version", options.version]
        figures = measure(name, options.rounds,
                          lambda broker: idle_row(run_bench(options.bench, broker, arguments)), brokers)
        results[name] = finish(figures, IDLE_GOAL, "bytes_per_connection")
        print_row(name, results[name])
    return results


def finish(figures, goal, measured_by):
    """Adds the ratios ours by mosquitto's, and whether the goal is met."""
    result = {"figures": figures, "goal": goal, "measured_by": measured_by}
    if len(figures) == 2:
        ours, theirs = figures["skeinmqd"], figures["mosquitto"]
        result["ratio"] = {figure: ours[figure] / theirs[figure] if theirs[figure] else None for figure in ours}
        ratio = result["ratio"][measured_by]
        result["met"] = goal is None or (ratio is not None and ratio <= goal)
    return result


def print_row(name, result):
    for kind, row in result["figures"].items():
        if "cpu_us_per_message" in row:
            print(f"{name:36} {kind:10} {row['cpu_us_per_message']:8.3f} us CPU a message "
                  f"{row['messages_per_second']:10.0f}/s  p50 {row['p50_us']:9.0f} us  p99 {row['p99_us']:9.0f} us"
                  f"  (cores busy: broker {row['broker_cpu_share']:.2f}, generator {row['generator_cpu_share']:.2f})")
        else:
            print(f"{name:36} {kind:10} {row['bytes_per_connection']:8.0f} B a connection resident, "
                  f"{row['private_bytes_per_connection']:8.0f} B private; opened in {row['connect_seconds']:.2f} s")
    if "ratio" in result:
        ratio = result["ratio"]
        goal = "" if result["goal"] is None else f", goal {result['goal']}: {'met' if result['met'] else 'MISSED'}"
        extra = f", throughput x {ratio['messages_per_second']:.2f}" if "messages_per_second" in ratio else ""
        print(f"{'':36} {'ratio':10} {ratio[result['measured_by']]:8.3f}{extra}{goal}")
    sys.stdout.flush()


def raise_descriptor_limit(wanted):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
            return
        except (ValueError, OSError):
            raise Failure(f"{wanted} file descriptors are needed, the limit is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


def machine():
    return {
        "cores": os.cpu_count(),
        "kernel": platform.release().split("-")[0],
        "architecture": platform.machine(),
        "load_before": os.getloadavg()[0],
        "date": time.strftime("%Y-%m-%d"),
    }


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", default=os.environ.get("SKEINMQ_BENCH", BENCH))
    parser.add_argument("--skeinmqd", default=os.environ.get("SKEINMQD"))
    parser.add_argument("--mosquitto", default="/usr/sbin/mosquitto")
    parser.add_argument("--without-mosquitto", action="store_true", help="measure skeinmqd alone")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--warmup", type=float, default=1)
    parser.add_argument("--idle", type=int, default=10_000, help="idle connections")
    parser.add_argument("--version", default="3.1.1", choices=["3.1.1", "5"])
    parser.add_argument("--only", default="", help="scenarios whose name contains this")
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument("--check", action="store_true", help="exit code 1 when a goal is missed")
    parser.add_argument("--json", help="also write everything to this file")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds, options.warmup = 1, 1.0, 0.3
    return options


def main():
    options = parse_arguments()
    if (os.cpu_count() or 1) < 2:
        raise Failure("two cores are needed: one for the broker, one for the generator")
    raise_descriptor_limit(options.idle + 1000)
    brokers = {} if options.without_mosquitto else {"mosquitto": options.mosquitto}
    if options.skeinmqd:
        brokers["skeinmqd"] = options.skeinmqd
    facts = machine()
    results = compare(options, brokers)
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps({"machine": facts, "results": results}, indent=2) + "\n")
    missed = [name for name, result in results.items() if not result.get("met", True)]
    return 1 if options.check and missed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failure as failure:
        sys.exit(f"\ncompare.py: {failure}")
