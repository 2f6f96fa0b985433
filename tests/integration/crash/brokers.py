"""The broker under test as a process that can be killed and started again on what it left on disk."""

import functools
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

from support.broker import SANITIZER, START_SECONDS, Broker, BrokerError, accepts, free_port, program, wait_until

# Nothing may be dropped because a queue is full: that is not what is tested.
SETTINGS = {"limits.max_queued_messages": 1_000_000, "limits.max_queued_bytes": "1GiB", "limits.max_total_queued_bytes": "4GiB"}


@functools.lru_cache(maxsize=None)
def keys(binary):
    """The configuration keys that a program knows."""
    return subprocess.run([binary, "--print-keys"], capture_output=True, text=True, check=True).stdout


def power_cut_program(variable, name):
    """$variable, or the program of the build that $SKEINMQD is from."""
    return os.environ.get(variable) or str(pathlib.Path(program()).parents[2] / "tests" / "support" / name)


class Skein:
    """skeinmqd with a data directory. With `power_cut` what was not synced is lost at each kill."""

    def __init__(self, folder, rng, durability="fsync", power_cut=False):
        self.data = pathlib.Path(folder) / "data"
        self.shards, self.power_cut, self.rng = rng.choice((1, 2, 4)), power_cut, rng
        self.journal = pathlib.Path(folder) / "power-cut-journal"
        self.binary = power_cut_program("SKEINMQD_POWER_CUT", "skeinmqd_power_cut") if power_cut else program()
        settings = {**SETTINGS, "storage.durability": durability}
        # Small ones, so that pages end, checkpoints are made and logs are truncated within a round.
        settings["limits.queue_page_messages"] = rng.choice((1, 7, 100, 1000))
        settings["storage.checkpoint_bytes"] = rng.choice(("1MiB", "64MiB"))
        settings["storage.write_buffer_bytes"] = rng.choice(("1MiB", "64MiB"))
        self.settings = {key: value for key, value in settings.items() if key in keys(self.binary)}
        self.running = None

    def start(self):
        self.running = Broker.start(shards=self.shards, settings=self.settings, data_dir=self.data, binary=self.binary,
                                    environment={"POWER_CUT_JOURNAL": str(self.journal)})
        return self.running.address

    def kill(self):
        """kill -9, and the power cut."""
        self.running.kill()
        self.keep_log()
        report = SANITIZER.search(self.running.log())
        self.running.discard()
        if report:
            raise BrokerError(f"a sanitizer has found something: {report.group(0)}")
        if self.power_cut:
            # With a number some of what was not synced stays: a torn tail.
            torn = [str(self.rng.randrange(1 << 32))] if self.rng.random() < 0.5 else []
            subprocess.run([power_cut_program("POWER_CUT_APPLY", "power_cut_apply"), str(self.journal), *torn], check=True)

    def stop(self):
        """SIGTERM; the broker must end well."""
        self.keep_log()
        self.running.stop()

    def alive(self):
        return self.running.running()

    def keep_log(self):
        with open(self.data.parent / "broker.log", "a", encoding="utf-8") as log:
            log.write(f"--- {self.running.command}\n{self.running.log()}")

    def end(self):
        if self.running:
            self.running.discard()


class Mosquitto:
    """Debian's mosquitto with persistence on, all else its default: to see that the test finds what another broker loses."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.process = None

    def start(self):
        port = free_port()
        config = self.folder / "mosquitto.conf"
        (self.folder / "data").mkdir(exist_ok=True)
        config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence true\nmax_queued_messages 0\n"
                          f"persistence_location {self.folder}/data/\nuser root\n")
        with open(self.folder / "broker.log", "ab") as log:
            self.process = subprocess.Popen([shutil.which("mosquitto", path="/usr/sbin:/usr/bin"), "-c", str(config)], stderr=log)
        wait_until(lambda: accepts(("127.0.0.1", port)), START_SECONDS, "mosquitto accepts")
        return "127.0.0.1", port

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()

    def alive(self):
        return self.process.poll() is None

    def end(self):
        if self.process:
            self.kill()


def make_folder():
    return pathlib.Path(tempfile.mkdtemp(prefix="skeinmq-crash-", dir=os.environ.get("CRASH_FOLDER")))
