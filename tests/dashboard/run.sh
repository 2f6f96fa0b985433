#!/usr/bin/env bash
# Tests of the dashboard: types, the parts without a browser, and the page in Chromium.
#
#   tests/dashboard/run.sh BUILD-FOLDER RESULT-FILE [node --test arguments...]
#
# BUILD-FOLDER: a CMake build folder with skeinmqd in it, such as build/release. What npm brings for the tests is kept beside it.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
build=$(cd "$1" && pwd)
result=$2
shift 2
page=$build/broker/admin/dashboard
modules=$page/modules/node_modules
tools=$(dirname "$build")/dashboard-tests

if ! cmp -s "$here/package-lock.json" "$tools/package-lock.json" || [[ ! -e $tools/.complete ]]; then
  mkdir -p "$tools"
  rm -f "$tools/.complete"
  cp "$here/package.json" "$here/package-lock.json" "$tools/"
  (cd "$tools" && npm ci --silent --prefer-offline --no-audit --no-fund --ignore-scripts)
  touch "$tools/.complete"
fi

# The packages lie in the build folder, so the compiler is told where.
cat >"$tools/tsconfig.json" <<JSON
{
  "extends": "$root/broker/admin/dashboard/tsconfig.json",
  "compilerOptions": {
    "paths": {
      "preact/jsx-runtime": ["$modules/preact/jsx-runtime/src/index.d.ts"],
      "*": ["$modules/*"]
    }
  },
  "include": ["$root/broker/admin/dashboard/src"]
}
JSON
"$tools/node_modules/.bin/tsc" -p "$tools/tsconfig.json"

# Node 18 does not read TypeScript.
NODE_PATH=$modules "$modules/.bin/esbuild" "$here/unit/lib.test.ts" --bundle --platform=node --format=esm --target=node18 \
  --jsx=automatic --jsx-import-source=preact --external:mqtt --log-level=warning --outfile="$tools/lib.test.mjs"

export DASHBOARD_PAGE=$page/page DASHBOARD_MODULES=$modules DASHBOARD_TEST_MODULES=$tools
export SKEINMQD=${SKEINMQD-$build/cmd/skeinmqd/skeinmqd}
node --test --test-reporter=spec --test-reporter-destination=stdout \
  --test-reporter="$here/junit.mjs" --test-reporter-destination="$result" "$@" \
  "$tools/lib.test.mjs" "$here/page.test.mjs" "$here/broker.test.mjs"
