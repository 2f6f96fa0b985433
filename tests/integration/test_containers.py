"""deploy/Dockerfile and deploy/compose.yaml, as far as they can be checked without a container."""

import json
import os
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


def environment_of(dockerfile):
    return dict(part.split("=", 1) for part in shlex.split(one(dockerfile, "ENV")))


def check_config(arguments, environment=()):
    return subprocess.run([program(), "--check-config", *arguments], capture_output=True, text=True, timeout=60,
                          env=dict(environment))


def nodes_of(compose):
    return {name: service for name, service in compose["services"].items() if name != "etcd"}


def test_each_node_of_compose_has_a_configuration_that_is_taken(compose, dockerfile):
    environment = environment_of(dockerfile)
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
    assert environment_of(dockerfile) == {"SKEINMQ_DATA_DIR": folder, "PATH": "/usr/local/bin"}
    assert one(dockerfile, "FROM") == "scratch", "no shell, no package manager"
    assert all(service["volumes"][0].endswith(f":{folder}") for service in nodes_of(compose).values())
    assert '["skeinmqctl", "cluster", "ready"]' in one(dockerfile, "HEALTHCHECK")
    command = yaml.safe_load(one(dockerfile, "ENTRYPOINT")) + yaml.safe_load(one(dockerfile, "CMD"))
    done = check_config(command[1:])
    assert done.returncode == 0 and "will refuse every client" in done.stderr, "closed until it is told whom to let in"


def test_the_monitoring_of_compose_uses_the_files_of_the_chart(compose, tmp_path):
    more = yaml.safe_load((DEPLOY / "compose.monitoring.yaml").read_text())
    for name, service in more["services"].items():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (DEPLOY / source).exists() if source.startswith(".") else source in more["volumes"], volume
        if name in nodes_of(compose):
            token = tmp_path / "token"
            token.write_text("0123456789abcdef")
            done = check_config(compose["services"][name]["command"], {**service["environment"], "SKEINMQ_ADMIN_TOKEN_FILE": str(token)})
            assert done.returncode == 0, done.stderr
        else:
            assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    scraped = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())["scrape_configs"][0]["static_configs"][0]["targets"]
    assert scraped == [f"{name}:9883" for name in nodes_of(compose)]


@pytest.fixture(scope="module")
def image_root(tmp_path_factory):
    """What the last stage of the Dockerfile copies."""
    folder = tmp_path_factory.mktemp("image") / "root"
    subprocess.run([DEPLOY / "image_root.sh", folder, "1.2.3", "--npm", DEPLOY.parent / "broker/admin/dashboard/package-lock.json",
                    program(), program().replace("skeinmqd", "skeinmqctl")], check=True, env={**os.environ, "SOURCE_DATE_EPOCH": "0"})
    return folder


@pytest.mark.skipif(os.geteuid() != 0, reason="chroot needs root")
def test_the_programs_run_with_nothing_but_what_is_in_the_image(image_root):
    for name in ("skeinmqd", "skeinmqctl"):
        done = subprocess.run(["/usr/sbin/chroot", "--userspec=10001:10001", image_root, f"/usr/local/bin/{name}", "--version"], env={},
                              capture_output=True, text=True, check=False)
        assert done.returncode == 0 and name in done.stdout, done.stderr
    assert not list(image_root.rglob("sh")) and not list(image_root.rglob("dpkg"))
    data = image_root / "var/lib/skeinmq"
    assert (data.stat().st_uid, data.stat().st_mode & 0o777) == (10001, 0o750)


def test_the_list_of_what_is_in_the_image(image_root):
    """SPDX 2.3: the fields that it requires, each library's package, and each package's license beside it."""
    listed = json.loads((image_root / "usr/share/doc/skeinmq/sbom.spdx.json").read_text())
    assert listed["spdxVersion"] == "SPDX-2.3" and listed["dataLicense"] == "CC0-1.0" and listed["SPDXID"] == "SPDXRef-DOCUMENT"
    assert listed["creationInfo"]["created"] == "1970-01-01T00:00:00Z" and listed["documentNamespace"].startswith("https://")
    packages = {package["name"]: package for package in listed["packages"]}
    assert packages["skeinmq"]["versionInfo"] == "1.2.3" and packages["skeinmq"]["licenseDeclared"] == "Apache-2.0"
    assert {"libc6", "librocksdb7.8", "libssl3", "ca-certificates"} <= set(packages)
    assert packages["preact"]["licenseDeclared"] == "MIT" and "esbuild" not in packages, "what is bundled, and not what bundles"
    for package in listed["packages"]:
        name, bundled = package["name"], package["externalRefs"][0]["referenceLocator"].startswith("pkg:npm/")
        assert package["versionInfo"] and package["downloadLocation"] == "NOASSERTION", name
        assert re.fullmatch(r"SPDXRef-[A-Za-z0-9.-]+", package["SPDXID"]), name
        assert name == "skeinmq" or bundled or (image_root / "usr/share/doc" / name / "copyright").is_file(), name
    ends = {relation["relatedSpdxElement"] for relation in listed["relationships"]}
    assert ends == {package["SPDXID"] for package in listed["packages"]}


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
