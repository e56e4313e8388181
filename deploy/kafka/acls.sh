#!/usr/bin/env bash
# Gives a principal what its role needs in Kafka, and nothing else: one principal a role and member. A stolen password of
# a branch's capture then publishes changes at worst, which the ledger shows; it reads nobody's rows and settles nothing.
#
#   GROUP=retail deploy/kafka/acls.sh --dry-run capture User:retail-capture-hq hq
#
#   acls.sh capture  PRINCIPAL MEMBER   publishes a member's changes
#   acls.sh apply    PRINCIPAL MEMBER   writes settled rows into a member
#   acls.sh resolver PRINCIPAL          settles changes
#   acls.sh operator PRINCIPAL          the command line: makes topics and the group's spec, looks, corrects
#   acls.sh consumer PRINCIPAL          others' programs: read settled rows, in groups that begin with CONSUMERS
#
# A process with several roles gets several times. `--remove` takes away what the same call gave.
#
# Variables:
#   GROUP            the group's name, as in its file
#   PREFIX           tributary
#   CONSUMERS        GROUP-, what the consumer groups of role `consumer` begin with
#   BOOTSTRAP        localhost:9092
#   COMMAND_CONFIG   a file of client properties, for TLS and passwords
#   KAFKA_ACLS       kafka-acls.sh: how Kafka's own tool is called
#
# No role has a right to the cluster: idempotent writers have not needed IdempotentWrite since Kafka 3.0, and topics are
# made by the right to create names with the group's prefix.
set -euo pipefail

usage() {
  sed -n '2,/^set -/{/^set -/d;s/^# \{0,1\}//;p;}' "$0"
}

wrong() {
  echo "acls.sh: $1; see --help" >&2
  exit 2
}

dry_run=false
action=--add
arguments=()
for argument in "$@"; do
  case $argument in
    --dry-run) dry_run=true ;;
    --remove) action=--remove ;;
    -h | --help) usage; exit 0 ;;
    -*) wrong "unknown option $argument" ;;
    *) arguments+=("$argument") ;;
  esac
done
role=${arguments[0]:-}
principal=${arguments[1]:-}
member=${arguments[2]:-}
if [ -z "$role" ] || [ -z "$principal" ]; then wrong "a role and a principal must be named"; fi
[[ $principal == *:* ]] || wrong "a principal is written as User:name"
[ -n "${GROUP:-}" ] || wrong "GROUP must be set"
case $role in
  capture | apply) [ -n "$member" ] || wrong "role $role is for one member, which must be named" ;;
  *) [ -z "$member" ] || wrong "role $role is not for one member" ;;
esac

base="${PREFIX:-tributary}.$GROUP"
read -r -a tool <<<"${KAFKA_ACLS:-kafka-acls.sh}"
connection=(--bootstrap-server "${BOOTSTRAP:-localhost:9092}")
if [ -n "${COMMAND_CONFIG:-}" ]; then
  connection+=(--command-config "$COMMAND_CONFIG")
fi

# allow RESOURCE NAMES PATTERN OPERATION...: RESOURCE is topic, group or transactional-id, PATTERN literal or prefixed.
# Several names with spaces between them: each call of the tool takes a second.
allow() {
  local command=("${tool[@]}" "${connection[@]}" "$action" --allow-principal "$principal" --resource-pattern-type "$3")
  if [ "$action" = --remove ]; then
    command+=(--force)
  fi
  local name operation
  for name in $2; do
    command+=("--$1" "$name")
  done
  for operation in "${@:4}"; do
    command+=(--operation "$operation")
  done
  if $dry_run; then
    printf '%q ' "${command[@]}"
    echo
  else
    "${command[@]}"
  fi
}

# Every worker holds the topics against what they should be, and reads the group's spec. The control topic also tells the
# brokers' time: a worker writes a small record and looks when it was appended. A reader that shares nothing with others
# asks for the coordinator of a group all the same.
every_worker() {
  allow topic "$base." prefixed Describe DescribeConfigs
  allow topic "$base.control" literal Read Write
  allow group "$base.reader" literal Describe
}

case $role in
  capture)
    every_worker
    allow topic "$base.changes." prefixed Write
    # Where it stands; the consumer group on it elects the one worker of the member that publishes.
    allow topic "$base.positions" literal Read Write
    allow topic "$base.exceptions" literal Write
    allow group "$base.capture.$member" literal Read
    allow transactional-id "$base.capture.$member" literal Write
    ;;
  apply)
    every_worker
    allow topic "$base.resolved." prefixed Read
    # Whether the member has gone back in time is seen from its capture's token.
    allow topic "$base.positions" literal Read
    allow topic "$base.exceptions" literal Write
    allow group "$base.apply.$member" literal Read
    allow transactional-id "$base.apply.$member" literal Write
    ;;
  resolver)
    every_worker
    # Reads changes, and deletes what it has settled long ago.
    allow topic "$base.changes." prefixed Read Delete
    # Its state is rebuilt from what it has settled.
    allow topic "$base.resolved." prefixed Read Write
    allow topic "$base.conflicts $base.exceptions" literal Read Write
    allow group "$base.resolver" literal Read
    # One id for each folder of its state.
    allow transactional-id "$base.resolver" prefixed Write
    ;;
  operator)
    allow topic "$base." prefixed Create Describe DescribeConfigs Read
    allow topic "$base.control $base.conflicts $base.exceptions" literal Write
    allow topic "$base.changes." prefixed Write
    # How far everybody is, and who is there. Read would let it take partitions away from the workers.
    allow group "$base." prefixed Describe
    allow transactional-id "$base.control" prefixed Write
    ;;
  consumer)
    allow topic "$base.resolved." prefixed Read
    allow group "${CONSUMERS:-$GROUP-}" prefixed Read
    ;;
  *) wrong "unknown role $role" ;;
esac
