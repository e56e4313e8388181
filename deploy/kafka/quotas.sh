#!/usr/bin/env bash
# Limits for what a principal may take of the brokers: for consumers of others, so that a first read of everything does
# not slow the group. Tributary itself waits when it is throttled, and loses nothing.
#
#   deploy/kafka/quotas.sh --dry-run User:retail-analytics
#
# Variables:
#   CONSUMER_BYTES   20971520, bytes a second that it may read, of each broker
#   PRODUCER_BYTES   10485760, bytes a second that it may write
#   REQUEST_PERCENT  25, of one thread's time for its requests
#   BOOTSTRAP        localhost:9092
#   COMMAND_CONFIG   a file of client properties, for TLS and passwords
#   KAFKA_CONFIGS    kafka-configs.sh: how Kafka's own tool is called
set -euo pipefail

dry_run=false
principal=
for argument in "$@"; do
  case $argument in
    --dry-run) dry_run=true ;;
    User:*) principal=${argument#User:} ;;
    *) echo "quotas.sh: say [--dry-run] User:name" >&2; exit 2 ;;
  esac
done
[ -n "$principal" ] || { echo "quotas.sh: say [--dry-run] User:name" >&2; exit 2; }
read -r -a command <<<"${KAFKA_CONFIGS:-kafka-configs.sh}"
command+=(--bootstrap-server "${BOOTSTRAP:-localhost:9092}")
if [ -n "${COMMAND_CONFIG:-}" ]; then
  command+=(--command-config "$COMMAND_CONFIG")
fi
quotas="consumer_byte_rate=${CONSUMER_BYTES:-20971520},producer_byte_rate=${PRODUCER_BYTES:-10485760}"
command+=(--alter --add-config "$quotas,request_percentage=${REQUEST_PERCENT:-25}"
  --entity-type users --entity-name "$principal")
if $dry_run; then
  printf '%q ' "${command[@]}"
  echo
else
  "${command[@]}"
fi
