#!/usr/bin/env bash
# ONNX Runtime's C++ headers (MIT, API 21) for its library from PyPI's wheel: unpacks Debian 13's
# package libonnxruntime-dev (85 kB) below a folder, without installing it and without touching the
# system's package sources. Needs apt and Debian's archive keys (package debian-archive-keyring).
#
#   exports/cpp/fetch_headers.sh [FOLDER]     FOLDER: exports/cpp/build/headers
set -euo pipefail

folder=${1:-$(dirname "$0")/build/headers}
if [ -e "$folder/usr/include/onnxruntime/onnxruntime_cxx_api.h" ]; then
    exit 0
fi
keys=/usr/share/keyrings/debian-archive-keyring.gpg
for needed in apt-get dpkg-deb; do
    command -v "$needed" >/dev/null || { echo "fetch_headers.sh: there is no $needed here" >&2; exit 2; }
done
[ -e "$keys" ] || { echo "fetch_headers.sh: $keys is missing; install debian-archive-keyring" >&2; exit 2; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/unpacked"
cat >"$work/trixie.sources" <<SOURCES
Types: deb
URIs: http://deb.debian.org/debian
Suites: trixie
Components: main
Signed-By: $keys
SOURCES
apt() {
    apt-get -qq -o "Dir::Etc::sourcelist=$work/trixie.sources" -o Dir::Etc::sourceparts=/dev/null \
        -o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work/cache" \
        -o APT::Sandbox::User="$(id -un)" "$@"
}
apt update
(cd "$work" && apt download libonnxruntime-dev)
dpkg-deb -x "$work"/libonnxruntime-dev_*.deb "$work/unpacked"
mkdir -p "$folder"
cp -r "$work/unpacked/." "$folder/"
