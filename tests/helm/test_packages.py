"""The Debian package and the systemd unit: built by CPack, installed on a copy of this machine's file system that is thrown away."""

import os
import pathlib
import shutil
import subprocess

import pytest
from chart import ROOT
from network import why_not
from support.broker import program

BUILD = pathlib.Path(os.environ.get("SKEINMQD", "")).resolve().parents[2]
INSIDE = r"""
set -eu
mount -t tmpfs none "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay none -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
mount -t proc none "$1/root/proc"
mount --bind /dev "$1/root/dev"
cp "$2" "$1/root/skeinmq.deb"
cp "$3" "$1/root/script.sh"
chroot "$1/root" /bin/sh /script.sh
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    folder = tmp_path_factory.mktemp("package")
    done = subprocess.run(["cpack", "-G", "DEB", "--config", BUILD / "CPackConfig.cmake", "-B", folder], capture_output=True, text=True,
                          timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (made,) = folder.glob("*.deb")
    return made


def field(package, name):
    return subprocess.run(["dpkg-deb", "-f", package, name], capture_output=True, text=True, check=True).stdout.strip()


def test_what_is_in_it(package):
    listed = subprocess.run(["dpkg-deb", "-c", package], capture_output=True, text=True, check=True).stdout
    files = {line.split()[5][1:]: line.split()[:2] for line in listed.splitlines()}
    for path, mode in {"/usr/bin/skeinmqd": "-rwxr-xr-x", "/usr/bin/skeinmqctl": "-rwxr-xr-x", "/etc/skeinmq/skeinmq.yaml": "-rw-r--r--",
                       "/lib/systemd/system/skeinmq.service": "-rw-r--r--", "/usr/share/doc/skeinmq/copyright": "-rw-r--r--"}.items():
        assert files[path] == [mode, "root/root"], path
    assert not [path for path in files if path.endswith((".a", ".h")) or "test" in path or "bench" in path]
    depends = field(package, "Depends")
    assert all(name in depends for name in ("libc6", "librocksdb7.8", "libgrpc++1.51", "libssl3")), depends
    assert field(package, "Architecture") in ("amd64", "arm64") and field(package, "Version").startswith("0.")
    control = subprocess.run(["dpkg-deb", "--info", package], capture_output=True, text=True, check=True).stdout
    assert all(name in control for name in ("postinst", "prerm", "postrm", "conffiles"))


def on_a_copy(tmp_path, package, script):
    """Runs a shell script as root of a copy of this machine in which nothing lasts."""
    place, text = tmp_path / "place", tmp_path / "script.sh"
    place.mkdir()
    text.write_text("set -eux\n" + script)
    done = subprocess.run(["unshare", "--mount", "--net", "/bin/sh", "-c", INSIDE, "sh", place, package, text], capture_output=True,
                          text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-4000:]
    return done.stdout


@pytest.mark.skipif(why_not() is not None, reason="needs root and namespaces")
def test_it_is_installed_and_removed(tmp_path, package):
    said = on_a_copy(tmp_path, package, """
export DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin
dpkg -i /skeinmq.deb
getent passwd skeinmq
stat -c '%U %G %a' /var/lib/skeinmq
/usr/bin/skeinmqd --version
setpriv --reuid=skeinmq --regid=skeinmq --clear-groups /usr/bin/skeinmqd --check-config --config /etc/skeinmq/skeinmq.yaml
echo '# mine' >> /etc/skeinmq/skeinmq.yaml
dpkg -i --force-confold /skeinmq.deb
tail -1 /etc/skeinmq/skeinmq.yaml
dpkg -r skeinmq
test -e /etc/skeinmq/skeinmq.yaml && test -d /var/lib/skeinmq && ! test -e /usr/bin/skeinmqd
dpkg -P skeinmq
! test -e /etc/skeinmq/skeinmq.yaml && ! test -d /var/lib/skeinmq
""")
    assert "/var/lib/skeinmq:/usr/sbin/nologin" in said and "skeinmq skeinmq 750" in said
    assert "configuration ok" in said and "# mine" in said and "skeinmqd 0." in said


@pytest.mark.skipif(shutil.which("systemd-analyze") is None or os.geteuid() != 0, reason="asks systemd")
def test_the_unit(tmp_path, package):
    root = tmp_path / "root"
    subprocess.run(["dpkg-deb", "-x", package, root], check=True)
    unit = root / "lib/systemd/system/skeinmq.service"
    text = unit.read_text()
    for name in ("bin/kill", "usr/bin/skeinmqd"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch(mode=0o755)
    for name in ("sysinit", "basic", "shutdown", "network-online", "multi-user"):
        (unit.parent / f"{name}.target").write_text("[Unit]\nDescription=There is one\n")
    done = subprocess.run(["systemd-analyze", "verify", f"--root={root}", "--man=no", "skeinmq.service"], capture_output=True, text=True,
                          check=False)
    complaints = [line for line in done.stderr.splitlines() if "skeinmq" in line]
    assert done.returncode == 0 and not complaints, done.stderr
    unit.write_text(text.replace("ProtectHome=yes", "ProtectHme=yes"))
    done = subprocess.run(["systemd-analyze", "verify", f"--root={root}", "--man=no", "skeinmq.service"], capture_output=True, text=True,
                          check=False)
    assert "ProtectHme" in done.stderr, "a typo is seen"
    unit.write_text(text)
    done = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--threshold=20", f"--root={root}", "skeinmq.service"],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]


def test_the_configuration_of_the_package_is_a_closed_one():
    config = ROOT / "deploy" / "debian" / "skeinmq.yaml"
    done = subprocess.run([program(), "--check-config", "--config", config], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "tcp://127.0.0.1:1883" in config.read_text()
    # What it proposes is right, too, but for the files that it names.
    lines = config.read_text().splitlines()
    proposed = "\n".join(line[1:] if line.startswith(("#  -", "#    ", "#auth")) else line for line in lines)
    done = subprocess.run([program(), "--check-config", "--config", "/dev/stdin"], input=proposed, capture_output=True, text=True,
                          check=False)
    assert "/etc/skeinmq/" in done.stderr and "key" not in done.stderr.replace("tls.key", ""), done.stderr
