#!/usr/bin/env bash
# A rolling upgrade from an older commit's chart and broker to these under load, and back: nothing that was acknowledged is lost, and nodes
# of both versions serve side by side.
#
# Usage: tests/helm/mixed_versions.sh [COMMIT]      (the default is the commit before this one)
#
# Builds the older one in build/older, which takes as long as a build takes. Needs root and tests/helm/setup.sh. The other program is
# $SKEINMQD, or the release build.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
commit=$(git -C "$root" rev-parse --verify "${1:-HEAD~1}^{commit}")
older=$root/build/older
build=$older/build/release # where ccache knows it from, if it was built on this machine before
export SKEINMQD=${SKEINMQD-$root/build/release/cmd/skeinmqd/skeinmqd}
python=/usr/bin/python3
[[ -x $python ]] || python=python3

if [[ $(cat "$older/commit" 2>/dev/null) != "$commit" ]]; then
  rm -rf "$older"
  mkdir -p "$older"
  git -C "$root" archive "$commit" | tar -x -C "$older"
  echo "$commit" >"$older/commit"
fi
cmake -G Ninja -S "$older" -B "$build" -DCMAKE_BUILD_TYPE=Release -DSKEIN_TESTS=OFF -DSKEIN_BENCH=OFF -Wno-dev \
  --log-level=WARNING
cmake --build "$build" -j "$(nproc)" --target skeinmqd skeinmqctl
"$root/tests/helm/setup.sh"
cd "$root"
exec "$python" tests/helm/mixed_versions.py "$build/cmd/skeinmqd/skeinmqd" "$older/helm/skeinmq"
