#!/usr/bin/env bash
# Installs the Debian packages named as arguments, from bookworm-backports where that suite has them.
#
# libvirt 11.3 clients and QEMU 10.0 are only in the backports suite. Its source entry is derived from the
# machine's own apt sources (same server, same keyring), so no server is named here. A package already
# installed is left alone, so that a second call returns at once and works offline.
#
#   scripts/packages.sh [--without-services] PACKAGE...
set -euo pipefail

want=()
for package in "$@"; do
    state=$(dpkg-query -W -f='${db:Status-Status} ${Version}' "$package" 2>/dev/null || true)
    case "$package" in
        # Versions older than these come from the release itself and are not what the tests are written for.
        libvirt-*|python3-libvirt) floor=11.3 ;;
        qemu-system-*|qemu-utils)  floor=1:10.0 ;;
        *)                         floor=0 ;;
    esac
    if [ "${state%% *}" = installed ] && dpkg --compare-versions "${state#* }" ge "$floor"; then
        continue
    fi
    want+=("$package")
done
[ "${#want[@]}" -gt 0 ] || exit 0
if [ "$(id -u)" != 0 ]; then
    echo "packages.sh: these packages are missing and only root can install them: ${want[*]}" >&2
    exit 1
fi

. /etc/os-release
suite="${VERSION_CODENAME}-backports"
entry="/etc/apt/sources.list.d/ferrovirt-backports.sources"
if ! grep -rqs "$suite" /etc/apt/sources.list /etc/apt/sources.list.d; then
    # The deb822 stanza whose Suites hold the plain release, with the suite exchanged.
    for file in /etc/apt/sources.list.d/*.sources; do
        [ -e "$file" ] || continue
        awk -v RS='' -v release="$VERSION_CODENAME" -v suite="$suite" '
            $0 ~ "(^|\n)Suites:[^\n]*[ ]" release "([ \n]|$)" {
                sub(/\nSuites:[^\n]*/, "\nSuites: " suite); print; exit
            }' "$file" > "$entry"
        [ -s "$entry" ] && break
    done
    if [ ! -s "$entry" ] && [ -e /etc/apt/sources.list ]; then
        rm -f "$entry"
        entry="/etc/apt/sources.list.d/ferrovirt-backports.list"
        awk -v release="$VERSION_CODENAME" -v suite="$suite" '
            $1 == "deb" { for (i = 2; i <= NF; i++) if ($i == release) { $i = suite; print; exit } }
        ' /etc/apt/sources.list > "$entry"
    fi
    if [ ! -s "$entry" ]; then
        rm -f "$entry"
        echo "packages.sh: no apt source of $VERSION_CODENAME found to derive $suite from" >&2
        exit 1
    fi
fi

export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# Nothing that a package brings along may start a daemon on this machine: the tests start their own.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod 755 "$policy"
    trap 'rm -f "$log" "$policy"' EXIT
fi
echo "packages.sh: installing ${want[*]}"
# A lock held by another apt is waited for; an index older than the archive is refreshed once.
if ! { apt-get -o DPkg::Lock::Timeout=300 -qq update &&
       apt-get -o DPkg::Lock::Timeout=300 -y -qq --no-install-recommends -t "$suite" install "${want[@]}"; } > "$log" 2>&1; then
    tail -n 30 "$log" >&2
    exit 1
fi
