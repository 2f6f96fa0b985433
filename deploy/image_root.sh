#!/usr/bin/env bash
# Gathers what a container needs to run the programs, and nothing else: the programs, the libraries that they load, certificates,
# licenses, and a list of all of it (SPDX). No shell, no package manager.
#
# Usage: deploy/image_root.sh FOLDER VERSION [--npm package-lock.json] PROGRAM...
#
# Needs dpkg, for it names the packages. --npm names what is bundled in the programs, for the list (needs node). SOURCE_DATE_EPOCH is the
# time in the list.
set -euo pipefail

root=$1
version=$2
shift 2
lock=
if [[ $1 == --npm ]]; then
  lock=$(readlink -f "$2")
  shift 2
fi

# What the programs load, under the names by which they ask for it; prints the packages. dpkg knows a file below /lib or /usr/lib, which are
# one.
copy_libraries() {
  local library file names=()
  while read -r library; do
    file=$(readlink -f "$library")
    install -D -m 755 "$file" "$root$library"
    names+=("$file" "${file#/usr}")
  done < <(ldd "$@" | sed -nE 's/.* => (\/[^ ]+) .*/\1/p; s/^\t(\/[^ ]+) \(.*/\1/p' | sort -u)
  local known
  known=$(dpkg -S "${names[@]}" 2>/dev/null || true)
  if [[ $(wc -l <<<"$known") -lt $((${#names[@]} / 2)) ]]; then
    echo "image_root.sh: a library belongs to no package: ${names[*]}" >&2
    return 1
  fi
  cut -d: -f1 <<<"$known"
}

install -d -m 755 "$root/usr/local/bin" "$root/usr/share/doc" "$root/etc/ssl/certs" "$root/usr/lib/ssl"
# As Debian has it: /lib is /usr/lib.
mkdir -p "$root/usr/lib" "$root/usr/lib64"
ln -s usr/lib "$root/lib"
ln -s usr/lib64 "$root/lib64"
install -s -m 755 -t "$root/usr/local/bin" "$@"
libraries=$(copy_libraries "$@")
mapfile -t packages < <(printf '%s\n' "$libraries" ca-certificates | sort -u)

# Authorities of servers that the broker asks (HTTP authenticators, keys of tokens), and where OpenSSL looks for them.
install -m 644 /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
install -m 644 /etc/ssl/openssl.cnf "$root/etc/ssl/"
ln -s /etc/ssl/certs "$root/usr/lib/ssl/certs"
ln -s /etc/ssl/openssl.cnf "$root/usr/lib/ssl/openssl.cnf"
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
printf 'root:x:0:0::/:/sbin/nologin\nskeinmq:x:10001:10001::/var/lib/skeinmq:/sbin/nologin\n' >"$root/etc/passwd"
printf 'root:x:0:\nskeinmq:x:10001:\n' >"$root/etc/group"
install -d -o 10001 -g 10001 -m 750 "$root/var/lib/skeinmq"
install -d -m 1777 "$root/tmp"

for package in "${packages[@]}"; do
  install -D -m 644 "/usr/share/doc/$package/copyright" "$root/usr/share/doc/$package/copyright"
done

# ID VERSION LICENSE LOCATOR SUPPLIER [NAME]: one JSON object; names and versions have no character that JSON escapes.
describe() {
  local name=$1 number=$2 license=$3 locator=$4 shown=${6:-$1}
  cat <<JSON
    {
      "SPDXID": "SPDXRef-Package-$(tr -c 'A-Za-z0-9.\n-' - <<<"$name")",
      "name": "$shown",
      "versionInfo": "$number",
      "supplier": "$5",
      "downloadLocation": "NOASSERTION",
      "filesAnalyzed": false,
      "licenseConcluded": "$license",
      "licenseDeclared": "$license",
      "copyrightText": "NOASSERTION",
      "externalRefs": [
        {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": "$locator"}
      ]
    }
JSON
}

# NAME VERSION LICENSE of each npm package that is not for development only.
bundled() {
  [[ -n $lock ]] || return 0
  node -e '
    for (const [path, entry] of Object.entries(require(process.argv[1]).packages)) {
      if (path && !entry.dev) console.log(path.replace(/^.*node_modules\//, ""), entry.version, entry.license ?? "NOASSERTION");
    }' "$lock" | sort -u -k 1,2
}

# What the programs need, as another line of `relations`.
relate() {
  relations+=",
    {\"spdxElementId\": \"SPDXRef-Package-skeinmq\", \"relationshipType\": \"$2\","
  relations+=" \"relatedSpdxElement\": \"SPDXRef-Package-$(tr -c 'A-Za-z0-9.\n-' - <<<"$1")\"}"
}

write_list() {
  local package number architecture license relations=""
  local when
  when=$(date -u -d "@${SOURCE_DATE_EPOCH:-$(date +%s)}" +%Y-%m-%dT%H:%M:%SZ)
  cat <<JSON
{
  "spdxVersion": "SPDX-2.3",
  "dataLicense": "CC0-1.0",
  "SPDXID": "SPDXRef-DOCUMENT",
  "name": "skeinmq-$version",
  "documentNamespace": "https://spdx.org/spdxdocs/skeinmq-$version-$(sha256sum "$@" | sha256sum | cut -c1-32)",
  "creationInfo": {"created": "$when", "creators": ["Tool: skeinmq-image_root"]},
  "packages": [
$(describe skeinmq "$version" Apache-2.0 "pkg:generic/skeinmq@$version" NOASSERTION)
JSON
  while read -r package number architecture; do
    echo ","
    describe "$package" "$number" NOASSERTION "pkg:deb/debian/$package@$number?arch=$architecture" "Organization: Debian"
    relate "$package" DEPENDS_ON
  done < <(dpkg-query -W -f '${Package} ${Version} ${Architecture}\n' "${packages[@]}" | sort -u -k 1,1)
  while read -r package number license; do
    echo ","
    describe "npm-$package-$number" "$number" "$license" "pkg:npm/${package/@/%40}@$number" NOASSERTION "$package"
    relate "npm-$package-$number" CONTAINS
  done < <(bundled)
  cat <<JSON
  ],
  "relationships": [
    {"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": "SPDXRef-Package-skeinmq"}$relations
  ]
}
JSON
}
install -d -m 755 "$root/usr/share/doc/skeinmq"
write_list "$@" >"$root/usr/share/doc/skeinmq/sbom.spdx.json"
chmod 644 "$root/usr/share/doc/skeinmq/sbom.spdx.json"
