#!/usr/bin/env bash
# The PostgreSQL adapter's tests on every major version that is supported, or on those that are named:
#
#   scripts/matrix.sh [VERSION…]
set -euo pipefail
cd "$(dirname "$0")/.."

versions=("$@")
[[ ${#versions[@]} -gt 0 ]] || versions=(13 14 15 16 17 18)
export TRIBUTARY_TEST_REQUIRE=postgres
failed=()
for version in "${versions[@]}"; do
  bin="$(scripts/postgres.sh fetch "$version")"
  printf '\n== PostgreSQL %s\n' "$version"
  TRIBUTARY_POSTGRES_BIN="$bin" cargo test --package tributary-member --locked --test 'postgres_*' || failed+=("$version")
done
if [[ ${#failed[@]} -gt 0 ]]; then
  printf '\nfailed on: %s\n' "${failed[*]}" >&2
  exit 1
fi
printf '\nall passed on: %s\n' "${versions[*]}"
