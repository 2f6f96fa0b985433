"""deploy/Dockerfile and deploy/compose.yaml, as far as they can be checked without a container."""

import pathlib
import re
import shlex
import shutil
import subprocess

import pytest
import yaml
from support.broker import program

DEPLOY = pathlib.Path(__file__).resolve().parents[2] / "deploy"
# What every Debian system has.
ALWAYS_THERE = {"libc6", "libgcc-s1", "libstdc++6"}


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())


@pytest.fixture(scope="module")
def dockerfile():
    """The instructions of the last stage, as (name, rest)."""
    text = re.sub(r"\\\n", " ", (DEPLOY / "Dockerfile").read_text())
    lines = [line.split(None, 1) for line in text.splitlines() if line and not line.startswith("#")]
    last = max(number for number, line in enumerate(lines) if line[0] == "FROM")
    return lines[last:]


def one(dockerfile, name):
    found = [rest for each, rest in dockerfile if each == name]
    assert len(found) == 1, (name, found)
    return found[0]


def check_config(arguments, environment=()):
    return subprocess.run([program(), "--check-config", *arguments], capture_output=True, text=True, timeout=60,
                          env=dict(environment))


def nodes_of(compose):
    return {name: service for name, service in compose["services"].items() if name != "etcd"}


def test_each_node_of_compose_has_a_configuration_that_is_taken(compose, dockerfile):
    environment = dict(part.split("=", 1) for part in shlex.split(one(dockerfile, "ENV")))
    assert len(nodes_of(compose)) == 3
    for name, service in nodes_of(compose).items():
        done = check_config(service["command"], environment)
        assert done.returncode == 0, (name, done.stderr)
        given = dict(argument.removeprefix("--").split("=", 1) for argument in service["command"])
        assert given["node-id"] == name and given["cluster-advertise"] == f"{name}:7883"
        assert given["etcd"] == "http://etcd:2379"
    broken = check_config([*nodes_of(compose)["mq-0"]["command"][:-1]], environment)
    assert broken.returncode == 2, "the check means something"


def test_what_compose_names_is_there(compose):
    for name, service in compose["services"].items():
        folders = [volume.split(":") for volume in service["volumes"]]
        assert all(volume in compose["volumes"] for volume, _ in folders), name
        assert set(service["networks"]) <= set(compose["networks"])
    published = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert len(set(published)) == 3 and all(port.startswith("127.0.0.1:") for port in published)
    for service in nodes_of(compose).values():
        assert service["read_only"] and service["cap_drop"] == ["ALL"]
        assert service["depends_on"]["etcd"]["condition"] == "service_healthy"
        assert (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).resolve() == DEPLOY / "Dockerfile"
    assert "healthcheck" in compose["services"]["etcd"], "the nodes have theirs from the image"


def test_the_image(compose, dockerfile):
    assert one(dockerfile, "USER") == "10001:10001"
    folder = one(dockerfile, "VOLUME")
    assert f"SKEINMQ_DATA_DIR={folder}" == one(dockerfile, "ENV")
    assert all(service["volumes"][0].endswith(f":{folder}") for service in nodes_of(compose).values())
    assert '["skeinmqctl", "cluster", "ready"]' in one(dockerfile, "HEALTHCHECK")
    command = yaml.safe_load(one(dockerfile, "ENTRYPOINT")) + yaml.safe_load(one(dockerfile, "CMD"))
    done = check_config(command[1:])
    assert done.returncode == 0 and "will refuse every client" in done.stderr, "closed until it is told whom to let in"


@pytest.mark.skipif(shutil.which("dpkg") is None or shutil.which("readelf") is None, reason="asks dpkg and readelf")
def test_the_run_packages_are_what_the_programs_link_to():
    listed = subprocess.run([DEPLOY / "deps.sh", "list", "run"], capture_output=True, text=True, check=True).stdout.split()
    needed = set()
    for binary in (program(), program().replace("skeinmqd", "skeinmqctl")):
        shown = subprocess.run(["ldd", binary], capture_output=True, text=True, check=True).stdout
        paths = dict(re.findall(r"(\S+) => (/\S+)", shown))
        dynamic = subprocess.run(["readelf", "-d", binary], capture_output=True, text=True, check=True).stdout
        needed |= {pathlib.Path(paths[name]).resolve() for name in re.findall(r"\(NEEDED\).*\[(.+)\]", dynamic) if name in paths}
    if any("san" in path.name for path in needed):
        pytest.skip("a sanitizer's build")
    packages = set()
    for path in needed:
        # dpkg knows it below /lib or /usr/lib, which are one.
        found = subprocess.run(["dpkg", "-S", path, str(path).removeprefix("/usr")], capture_output=True, text=True, check=False)
        packages.add(found.stdout.split(":")[0])
    brought = subprocess.run(["dpkg-query", "-W", "-f", "${Depends},", *listed], capture_output=True, text=True, check=True).stdout
    installed = set(listed) | {entry.split()[0] for entry in brought.split(",") if entry.strip()}
    assert packages - ALWAYS_THERE - installed == set(), "the image would lack them"
