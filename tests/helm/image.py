"""See image.sh.

    python3 tests/helm/image.py ROOT INSPECT.json

ROOT: the image's file system; INSPECT.json: what `buildah inspect` says. The container runs as kubelet.py runs pods: as the image's user,
without capabilities, with a root that cannot be written. Prints what was tried.
"""

import json
import os
import pathlib
import re
import stat
import subprocess
import sys
import tempfile

import conftest  # noqa: F401  (puts the other folders on the path)
from kubelet import Kubernetes
from mqtt_client import DEADLINE
from support.broker import wait_until

MOST_MEGABYTES = 60


def says(text):
    print(f"image: {text}", flush=True)


def check_settings(config):
    labels = config["Labels"]
    version = labels["org.opencontainers.image.version"]
    assert config["User"] == "10001:10001" and config["StopSignal"] == "SIGTERM"
    assert config["Entrypoint"] == ["skeinmqd"] and set(config["ExposedPorts"]) == {f"{port}/tcp" for port in (1883, 7883, 9883)}
    assert set(config["Volumes"]) == {"/var/lib/skeinmq"}
    assert config["Healthcheck"]["Test"] == ["CMD", "skeinmqctl", "cluster", "ready"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", version) and re.fullmatch(r"[0-9a-f]{40}", labels["org.opencontainers.image.revision"])
    assert {f"org.opencontainers.image.{name}" for name in ("title", "description", "licenses")} <= set(labels)
    says(f"version {version}, user {config['User']}, labels and health check")
    return version


def check_files(root):
    """No shell and no package manager, nobody becomes root, only the data belong to the user."""
    size = 0
    for path in (root, *root.rglob("*")):
        status = path.lstat()
        size += status.st_size if stat.S_ISREG(status.st_mode) else 0
        assert not status.st_mode & (stat.S_ISUID | stat.S_ISGID), path
        own = path == root / "var/lib/skeinmq"
        assert (status.st_uid, status.st_gid) == ((10001, 10001) if own else (0, 0)), (path, status.st_uid)
    programs = sorted(path.name for path in root.rglob("*") if path.is_file() and os.access(path, os.X_OK) and ".so" not in path.name)
    assert programs == ["skeinmqctl", "skeinmqd"], programs
    assert size < MOST_MEGABYTES * 1e6, size
    says(f"{size / 1e6:.0f} MB, of programs only {' and '.join(programs)}")


def check_list(root, version):
    """The SPDX document names every package that a library comes from."""
    listed = json.loads((root / "usr/share/doc/skeinmq/sbom.spdx.json").read_text())
    assert listed["spdxVersion"] == "SPDX-2.3" and listed["dataLicense"] == "CC0-1.0"
    packages = {each["SPDXID"]: each for each in listed["packages"]}
    assert len(packages) == len(listed["packages"]), "each has an id of its own"
    assert packages["SPDXRef-Package-skeinmq"]["versionInfo"] == version
    for each in listed["relationships"]:
        assert {each["spdxElementId"], each["relatedSpdxElement"]} <= {*packages, "SPDXRef-DOCUMENT"}, each
    locators = [each["externalRefs"][0]["referenceLocator"] for each in listed["packages"]]
    debian = {each["name"] for each, locator in zip(listed["packages"], locators) if locator.startswith("pkg:deb/debian/")}
    assert debian == {path.name for path in (root / "usr/share/doc").iterdir()} - {"skeinmq"}, "each has its license"
    assert {"libc6", "librocksdb7.8", "libgrpc++1.51", "ca-certificates"} <= debian
    assert any(locator.startswith("pkg:npm/") for locator in locators), "what the dashboard bundles"
    says(f"SPDX list of {len(packages)} packages, {len(debian)} of them Debian's, with their licenses")


def container(config, arguments):
    """A pod that runs the image as it says."""
    environment = dict(each.split("=", 1) for each in config["Env"])
    uid, gid = map(int, config["User"].split(":"))
    (data,) = config["Volumes"]
    return {
        "securityContext": {"runAsNonRoot": True, "runAsUser": uid, "runAsGroup": gid, "fsGroup": gid},
        "restartPolicy": "Never", "volumes": [{"name": "data", "emptyDir": {}}],
        "containers": [{
            "name": "skeinmq", "image": "skeinmq", "command": config["Entrypoint"], "args": arguments,
            "env": [{"name": name, "value": value} for name, value in environment.items()],
            "volumeMounts": [{"name": "data", "mountPath": data}],
            "securityContext": {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}}],
    }


def healthy(pod, config):
    return pod.process is not None and pod.execute(config["Healthcheck"]["Test"][1:]).returncode == 0


def publish(pod, *arguments):
    command = ["mosquitto_pub", "-V", "5", "-q", "1", "-h", pod.host.address, "-t", "dw/image", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE, check=False)


def check_run(world, config, version):
    pod = world.launch("strict", container(config, config["Cmd"]), {})
    wait_until(lambda: healthy(pod, config), DEADLINE, "the health check is well")
    assert pod.execute(["skeinmqd", "--version"]).stdout.split()[1] == version
    refused = publish(pod, "-m", "x")
    assert refused.returncode != 0 and "ot authorized" in refused.stderr, "as it comes strangers are refused"
    for path in ("x", "usr/x", "etc/x"):
        try:
            pathlib.Path(f"/proc/{pod.process.pid}/root/{path}").write_text("")
            raise AssertionError(f"/{path} can be written")
        except OSError as error:
            assert "Read-only" in str(error), error
    end(world, pod)
    says("it runs with a root that cannot be written, is healthy, refuses strangers, and ends by SIGTERM")

    pod = world.launch("open", container(config, [config["Cmd"][0], f"{config['Cmd'][1]}?allow_anonymous=true"]), {})
    wait_until(lambda: healthy(pod, config), DEADLINE, "the health check is well")
    assert publish(pod, "-r", "-m", "hello").returncode == 0
    command = ["mosquitto_sub", "-h", pod.host.address, "-t", "dw/image", "-C", "1", "-W", str(int(DEADLINE))]
    got = subprocess.run(command, capture_output=True, text=True, timeout=2 * DEADLINE, check=True).stdout
    assert got == "hello\n", got
    end(world, pod)
    says("mosquitto's clients publish and receive")


def end(world, pod):
    world.delete(pod.name)
    wait_until(pod.gone.is_set, DEADLINE, "it ends")
    assert pod.exit_code == 0 and not pod.killed, pod.log_path.read_text()[-2000:]


def main(root, inspect):
    config = json.loads(pathlib.Path(inspect).read_text())["Docker"]["config"]
    root = pathlib.Path(root)
    version = check_settings(config)
    check_files(root)
    check_list(root, version)
    world = Kubernetes(pathlib.Path(tempfile.mkdtemp(prefix="skeinmq-image-")), {}, image=root)
    try:
        with world.clients.entered():
            check_run(world, config, version)
    except BaseException:
        print(world.report(), file=sys.stderr)
        raise
    finally:
        world.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
