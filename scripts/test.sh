#!/usr/bin/env bash
# Installs what is missing, then runs everything: formatting, lints, generated files, unit, wire and live tests, and the
# conformance run when a corpus lies beside the project.
#
#   ./scripts/test.sh [--quick]      --quick leaves out lints, live guests and conformance
#
# FERROVIRT_CORPUS names the corpus, else ../shared/corpus is used when it is there.
set -euo pipefail
cd "$(dirname "$0")/.."

quick=no
[ "${1:-}" != --quick ] || quick=yes
step() { printf '\n== %s (%ss)\n' "$1" "$SECONDS"; }

if [ "$quick" = no ]; then
    step "packages"
    scripts/packages.sh libvirt-clients libvirt-daemon-common qemu-system-x86 qemu-utils ovmf seabios busybox-static cpio lz4 xz-utils \
        iproute2 bsdutils procps dnsmasq-base iptables ebtables nftables kmod
    step "guest image"
    guest/build.sh target/guest
fi
corpus=${FERROVIRT_CORPUS:-}
if [ -z "$corpus" ] && [ -d ../shared/corpus ]; then
    corpus=$(cd ../shared/corpus && pwd)
fi
export FERROVIRT_CORPUS="$corpus"

step "formatting"
cargo fmt --all --check
step "generated files"
cargo xtask codegen --check
if [ "$quick" = no ]; then
    step "lints"
    cargo clippy --quiet --workspace --all-targets -- -D warnings
fi
step "build"
cargo build --quiet --workspace --all-targets
step "tests"
if [ "$quick" = no ]; then
    cargo test --workspace --quiet --no-fail-fast
else
    cargo test --workspace --quiet --exclude testkit
fi
if [ "$quick" = no ]; then
    step "C library"
    cargo xtask capi --check --stress 120
    step "conformance"
    if [ -n "$corpus" ]; then
        cargo xtask conformance --corpus "$corpus" --min conformance.floors
    else
        echo "corpus not present, skipped all classes"
    fi
fi
step "done"
