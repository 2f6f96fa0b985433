"""Becomes the program of a container: a root of its own that cannot be written, the volumes, the user, no capabilities.

    ip netns exec NAMESPACE python3 pod_root.py SPEC.json

The root is the folder of an image; without one the machine's /usr is the image. The process id stays that of the caller.
"""

import ctypes
import json
import os
import pathlib
import sys

CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWUTS = 0x20000, 0x8000000, 0x4000000
MS_RDONLY, MS_NOSUID, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 2, 32, 4096, 16384, 1 << 18
PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 24, 38

libc = ctypes.CDLL(None, use_errno=True)


def check(result, what):
    if result != 0:
        raise OSError(f"{what}: {os.strerror(ctypes.get_errno())}")


def mount(source, target, kind=None, flags=0, data=None):
    check(libc.mount(*(each.encode() if each else None for each in (str(source), str(target), kind)), flags,
                     data.encode() if data else None), f"mount {source} at {target}")


def bind(source, target, read_only):
    target = pathlib.Path(target)
    if pathlib.Path(source).is_dir():
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    mount(source, target, flags=MS_BIND)
    if read_only:
        mount(source, target, flags=MS_BIND | MS_REMOUNT | MS_RDONLY)


def machine_as_image(root):
    mount("tmpfs", root, "tmpfs", MS_NOSUID)
    bind("/usr", root / "usr", read_only=True)
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / name).symlink_to(f"usr/{name}")
    for name in ("ld.so.cache", "nsswitch.conf", "ssl", "alternatives"):
        if pathlib.Path("/etc", name).exists():
            bind(f"/etc/{name}", root / "etc" / name, read_only=True)


def layer_on(image, root):
    mount("tmpfs", root, "tmpfs", MS_NOSUID)
    for name in ("upper", "work", "root"):
        (root / name).mkdir()
    mount("overlay", root / "root", "overlay", 0, f"lowerdir={image},upperdir={root}/upper,workdir={root}/work")
    return root / "root"


def build_root(root, spec):
    mount("none", "/", flags=MS_REC | MS_PRIVATE)
    if spec["image"]:
        root = layer_on(spec["image"], root)
    else:
        machine_as_image(root)
    for name in ("null", "zero", "urandom", "random"):
        bind(f"/dev/{name}", root / "dev" / name, read_only=False)
    (root / "proc").mkdir()
    mount("/proc", root / "proc", flags=MS_BIND)
    for name, text in spec["files"].items():
        path = root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for volume in spec["mounts"]:
        bind(volume["source"], root / volume["target"].lstrip("/"), volume["read_only"])
    if spec["read_only"] and spec["image"]:
        mount("none", root, None, MS_REMOUNT | MS_RDONLY)
    elif spec["read_only"]:
        mount("tmpfs", root, "tmpfs", MS_REMOUNT | MS_RDONLY)
    return root


def main(path):
    spec = json.loads(pathlib.Path(path).read_text())
    check(libc.unshare(CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS), "unshare")
    name = spec["hostname"].encode()
    check(libc.sethostname(name, len(name)), "sethostname")
    root = build_root(pathlib.Path(spec["root"]), spec)
    os.chroot(root)
    os.chdir("/")
    for capability in range(64):
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    os.setgroups(spec["groups"])
    os.setgid(spec["gid"])
    os.setuid(spec["uid"])
    check(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    os.execvpe(spec["command"][0], spec["command"], spec["environment"])


if __name__ == "__main__":
    main(sys.argv[1])
