#!/usr/bin/env bash
# A Python with what tests need of PyPI: clients for Kafka and Avro, linters. Makes an environment of its own in the
# cache, once, and prints the path of its interpreter.
#
# Exit code 69 says that something is missing, and what to install.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
requirements=(
  "$here/../tests/consumers/requirements.txt"
  "$here/../tests/deploy/requirements.txt"
  "$here/../crates/member/tests/sqlserver_statements/requirements.txt"
)

say() { printf 'python.sh: %s\n' "$*" >&2; }

if ! version="$(python3 -c 'import sys, venv, ensurepip; assert sys.version_info >= (3, 9); print(sys.version)' 2>/dev/null)"; then
  say "there is no Python 3.9 or later that can make virtual environments"
  say "Install it, on Debian: apt-get install -y --no-install-recommends python3-venv"
  exit 69
fi
all="${XDG_CACHE_HOME:-$HOME/.cache}/tributary-python"
# Other versions of anything are another environment.
environment="$all/$(cat "${requirements[@]}" <(printf %s "$version") | cksum | cut -d' ' -f1)"
mkdir -p "$all"
# Tests of several programs may ask at once. Without flock (not Linux) that is theirs to avoid.
if command -v flock >/dev/null; then
  exec 9>"$environment.lock"
  flock 9
fi
if [[ ! -e "$environment/ready" ]]; then
  say "making an environment in $environment"
  rm -rf "$environment"
  python3 -m venv "$environment"
  if ! "$environment/bin/python" -m pip --quiet --disable-pip-version-check install \
    "${requirements[@]/#/--requirement=}" >&2; then
    say "pip could not fetch what tests need (above): it needs PyPI, or a mirror of it in its settings"
    exit 69
  fi
  touch "$environment/ready"
fi
printf '%s\n' "$environment/bin/python"
