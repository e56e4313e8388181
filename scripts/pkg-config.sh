#!/bin/sh
# pkg-config for the builds of C libraries. librdkafka fetches OAuth tokens with curl; the one that Cargo builds for it
# (crate `curl-sys`, whose folder is in DEP_CURL_ROOT then) is found in no system folder, so it is shown here. All other
# questions go to the system's pkg-config, if there is one.
set -eu
if [ -n "${DEP_CURL_ROOT:-}" ]; then
  case "$*" in
    --version) exec echo 1.0 ;;
    "--short-errors --cflags libcurl") exec echo "-I$DEP_CURL_ROOT/include" ;;
    "--short-errors --libs libcurl") exec echo "-L$DEP_CURL_ROOT/build -lcurl" ;;
  esac
fi
exec pkg-config "$@"
