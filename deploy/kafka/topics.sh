#!/usr/bin/env bash
# Makes a group's topics by hand, for clusters in which Tributary may not make its own. The settings are those that it
# would use, and that it checks at each start: a topic with others is refused by name and setting.
#
#   GROUP=retail TABLES="Customer OrderLines:8" deploy/kafka/topics.sh --dry-run
#
# Variables:
#   GROUP                  the group's name, as in its file
#   TABLES                 the tables, as in its file; `:N` for N partitions where it is not the default
#   PREFIX                 tributary
#   PARTITIONS             4, for tables that do not say otherwise; cannot be changed later
#   REPLICATION            3
#   MIN_INSYNC             2
#   DELETE_RETENTION_MS    3888000000, 45 days: not less than the group's tombstone_retention
#   MAX_MESSAGE_BYTES      67112960: records of 64 MiB, and what Kafka puts around them
#   BOOTSTRAP              localhost:9092
#   COMMAND_CONFIG         a file of client properties, for TLS and passwords
#   KAFKA_TOPICS           kafka-topics.sh: how Kafka's own tool is called
set -euo pipefail

usage() {
  sed -n '2,/^set -/{/^set -/d;s/^# \{0,1\}//;p;}' "$0"
}

dry_run=false
for argument in "$@"; do
  case $argument in
    --dry-run) dry_run=true ;;
    -h | --help) usage; exit 0 ;;
    *) echo "topics.sh: unknown argument $argument; see --help" >&2; exit 2 ;;
  esac
done
if [ -z "${GROUP:-}" ] || [ -z "${TABLES:-}" ]; then
  echo "topics.sh: GROUP and TABLES must be set; see --help" >&2
  exit 2
fi
base="${PREFIX:-tributary}.$GROUP"
read -r -a tool <<<"${KAFKA_TOPICS:-kafka-topics.sh}"
connection=(--bootstrap-server "${BOOTSTRAP:-localhost:9092}")
if [ -n "${COMMAND_CONFIG:-}" ]; then
  connection+=(--command-config "$COMMAND_CONFIG")
fi

# A table's name as topics have it: what is no letter, digit or underscore, a digit in front, and an underscore before an
# x become _xHHHH_.
mangle() {
  # Characters, not bytes.
  local LC_ALL=C.UTF-8 name=$1 out="" at character code
  for ((at = 0; at < ${#name}; at++)); do
    character=${name:at:1}
    case $character in
      _) if [ "${name:at+1:1}" = x ]; then out+=_x005F_; else out+=_; fi ;;
      [0123456789]) if [ "$at" = 0 ]; then out+=_x003${character}_; else out+=$character; fi ;;
      [abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ]) out+=$character ;;
      *)
        printf -v code %d "'$character"
        if ((code > 0xFFFF)); then printf -v code _x%08X_ "$code"; else printf -v code _x%04X_ "$code"; fi
        out+=$code
        ;;
    esac
  done
  printf %s "$out"
}

# topic NAME PARTITIONS SETTING=VALUE...
topic() {
  local command=("${tool[@]}" "${connection[@]}" --create --if-not-exists --topic "$1" --partitions "$2"
    --replication-factor "${REPLICATION:-3}")
  shift 2
  local setting
  for setting in "$@" min.insync.replicas="${MIN_INSYNC:-2}" max.message.bytes="${MAX_MESSAGE_BYTES:-67112960}" \
    message.timestamp.type=LogAppendTime; do
    command+=(--config "$setting")
  done
  if $dry_run; then
    printf '%q ' "${command[@]}"
    echo
  else
    "${command[@]}"
  fi
}

# The last record of each key, for ever; a null may go once it is older than that.
compacted=(cleanup.policy=compact delete.retention.ms="${DELETE_RETENTION_MS:-3888000000}" retention.ms=-1)
# Everything, until the resolver deletes what it has settled.
kept=(cleanup.policy=delete retention.ms=-1 retention.bytes=-1)

for kind in control positions conflicts exceptions; do
  topic "$base.$kind" 1 "${compacted[@]}"
done
for table in $TABLES; do
  name=$(mangle "${table%%:*}")
  partitions=${PARTITIONS:-4}
  if [[ $table == *:* ]]; then partitions=${table##*:}; fi
  # Both with the same number: what comes from a partition goes into the same one.
  topic "$base.changes.$name" "$partitions" "${kept[@]}"
  topic "$base.resolved.$name" "$partitions" "${compacted[@]}"
done
