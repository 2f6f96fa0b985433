#!/usr/bin/env bash
# A rolling upgrade from an older commit's broker to this one under load, and back: nothing that was acknowledged is lost, and nodes of both
# versions serve side by side.
#
# Usage: tests/helm/mixed_versions.sh [COMMIT]      (the default is the commit before this one)
#
# Builds the older one in build/older, which takes as long as a build takes. Needs root and tests/helm/setup.sh. The other program is
# $SKEINMQD, or the release build.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
commit=$(git -C "$root" rev-parse --verify "${1:-HEAD~1}^{commit}")
source=$root/build/older/source
build=$root/build/older/build
export SKEINMQD=${SKEINMQD-$root/build/release/cmd/skeinmqd/skeinmqd}
python=/usr/bin/python3
[[ -x $python ]] || python=python3

if [[ ! -e $source/.git ]]; then git -C "$root" worktree add --detach "$source" "$commit"; fi
git -C "$source" checkout --quiet --detach "$commit"
cmake -G Ninja -S "$source" -B "$build" -DCMAKE_BUILD_TYPE=Release -DSKEIN_TESTS=OFF -DSKEIN_BENCH=OFF -Wno-dev --log-level=WARNING
cmake --build "$build" --target skeinmqd skeinmqctl
"$root/tests/helm/setup.sh"
cd "$root"
exec "$python" tests/helm/mixed_versions.py "$build/cmd/skeinmqd/skeinmqd"
