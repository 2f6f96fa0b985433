#!/usr/bin/env bash
# Builds the container image of deploy/Dockerfile with buildah, and tries what has come out: image.py.
#
# Usage: tests/helm/image.sh [BASE-IMAGE]
#
# Without BASE-IMAGE Debian comes from where this machine has its packages from, so that no registry of images is needed. Needs root, the
# packages buildah, debootstrap and mosquitto-clients, and some minutes; the caches of ccache and npm are used. All of it is in build/image.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
place=$root/build/image
base=${1-localhost/skeinmq-base}
python=/usr/bin/python3
[[ -x $python ]] || python=python3
mkdir -p "$place"

images() { buildah --root "$place/storage" --runroot "$place/run" "$@"; }

# The smallest Debian that there is, with this machine's sources of packages.
make_base() {
  local debian=$place/debian container source each
  source=$(apt-get indextargets --format '$(CODENAME) $(REPO_URI)' 'Created-By: Packages' | sed -n 's/^bookworm //p' | head -n 1)
  rm -rf "$debian"
  debootstrap --variant=minbase --include=ca-certificates bookworm "$debian" "$source" >"$place/debootstrap.log"
  rm -f "$debian/etc/apt/sources.list"
  for each in sources.list sources.list.d/debian.sources; do
    [[ ! -e /etc/apt/$each ]] || cp "/etc/apt/$each" "$debian/etc/apt/$each"
  done
  apt-config dump | grep -E '^Acquire::(https?|Check-)[^"]*"[^"]' >"$debian/etc/apt/apt.conf.d/90machine" || true
  container=$(images from scratch)
  images add -q "$container" "$debian" / >/dev/null
  images commit -q "$container" "$base" >/dev/null
  images rm "$container" >/dev/null
}

[[ $# -gt 0 ]] || images inspect --type image "$base" >/dev/null 2>&1 || make_base
volumes=()
ccache=$(ccache --get-config cache_dir 2>/dev/null || true)
[[ -z $ccache || ! -d $ccache ]] || volumes+=(--volume "$ccache:/root/.cache/ccache")
npm=$(npm config get cache 2>/dev/null || true)
[[ -z $npm || ! -d $npm ]] || volumes+=(--volume "$npm:/root/.npm")
version=$(sed -nE 's/^project\(.* VERSION ([0-9.]+).*/\1/p' "$root/CMakeLists.txt")
echo "Building the image (the log is $place/build.log)"
images bud --isolation chroot --format docker --layers "${volumes[@]}" --build-arg "BASE_IMAGE=$base" --build-arg "VERSION=$version" \
  --build-arg "REVISION=$(git -C "$root" rev-parse HEAD)" -t skeinmq -f "$root/deploy/Dockerfile" "$root" >"$place/build.log" 2>&1 ||
  { tail -n 30 "$place/build.log" >&2 && exit 1; }

images inspect --type image skeinmq >"$place/inspect.json"
container=$(images from --pull-never skeinmq)
trap 'images umount "$container" >/dev/null; images rm "$container" >/dev/null' EXIT
cd "$root"
"$python" tests/helm/image.py "$(images mount "$container")" "$place/inspect.json"
