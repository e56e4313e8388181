#!/usr/bin/env bash
# A real Apache Kafka (one node, KRaft) and a real schema registry on this machine, to try things with and for tests.
#
#   scripts/services.sh up [--dir DIR] [--kafka-port PORT|free] [--registry-port PORT|free]
#   scripts/services.sh down [--dir DIR]
#   scripts/services.sh fetch
#
# `up` returns when both answer, and prints their addresses; what they store lies in DIR (default ./.services) until
# `down`, which stops both and removes DIR. `fetch` brings the programs into the cache, once, and prints where they
# are: `up` and the tests use the same ones. The registry keeps its schemas in memory only, as long as it runs.
#
# Needs Java 17 or later and Maven, which fetches what services/pom.xml names. Exit code 69 says that something is
# missing, and what to install.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
pom="$here/services/pom.xml"
# Raise it when what fetch puts into the cache changes.
layout=3
# In a folder that is ours, so that `down` removes nothing else.
marker="tributary-services"

say() { printf 'services.sh: %s\n' "$*" >&2; }
fail() {
  say "$1"
  exit "${2:-1}"
}

# --- what has to be there -----------------------------------------------------------------------------------------

java_command() { printf '%s' "${JAVA_HOME:+$JAVA_HOME/bin/}java"; }

require() {
  local java version missing=()
  java="$(java_command)"
  if ! version="$("$java" -XshowSettings:properties -version 2>&1)"; then
    missing+=("there is no Java ($java)")
  else
    java_version="$(sed -n 's/^ *java\.vm\.version = //p' <<<"$version")"
    local major
    major="$(sed -n 's/^ *java\.specification\.version = //p' <<<"$version")"
    if [[ "${major%%.*}" -lt 17 ]]; then
      missing+=("Java is of version $major, older than 17")
    fi
  fi
  command -v mvn >/dev/null || missing+=("there is no Maven (mvn)")
  [[ ${#missing[@]} -eq 0 ]] && return
  for what in "${missing[@]}"; do say "$what"; done
  say "Kafka and the schema registry need Java 17 or later and Maven."
  fail "Install them, on Debian: apt-get install -y --no-install-recommends default-jre-headless maven" 69
}

# --- the cache ----------------------------------------------------------------------------------------------------

# Sets `cache`; fills it if this has not been done. Another version of anything is another folder.
fetch() {
  require
  local key
  key="$(cat "$pom" <(printf '%s %s' "$layout" "$java_version") | cksum | cut -d' ' -f1)"
  local all="${XDG_CACHE_HOME:-$HOME/.cache}/tributary-services"
  cache="$all/$key"
  [[ -e "$cache/ready" ]] && return
  mkdir -p "$cache"
  # Tests of several programs may ask at once. Without flock (not Linux) that is theirs to avoid.
  if command -v flock >/dev/null; then
    exec 9>"$all/$key.lock"
    flock 9
    [[ -e "$cache/ready" ]] && return
  fi
  say "fetching Kafka and the schema registry into $cache"
  if ! mvn -B -q -C -f "$pom" "-Dto=$cache" package >&2; then
    fail "Maven could not fetch them (above): it needs Maven Central, or a mirror of it in ~/.m2/settings.xml" 69
  fi
  prepare_kafka
  prepare_registry
  touch "$cache/ready"
  exec 9>&-
}

# Java's arguments go into files, so that whoever starts a service says the same: class path and collector must be
# those with which the archive of loaded classes was made, or Java ignores it and starts twice as slowly.
prepare_kafka() {
  local jars=("$cache"/kafka/*.jar) work="$cache/kafka-first-run" java
  java="$(java_command)"
  cat >"$cache/log4j2.properties" <<-PROPERTIES
	rootLogger.level = INFO
	rootLogger.appenderRef.out.ref = out
	appender.out.type = Console
	appender.out.name = out
	appender.out.target = SYSTEM_ERR
	appender.out.layout.type = PatternLayout
	appender.out.layout.pattern = %d %p %m (%c)%n
	PROPERTIES
  cat >"$cache/kafka-base.args" <<-ARGUMENTS
	-XX:+UseSerialGC
	"-Dlog4j2.configurationFile=$cache/log4j2.properties"
	-cp "$(IFS=:; printf '%s' "${jars[*]}")"
	ARGUMENTS

  rm -rf "$work" "$cache/formatted"
  mkdir -p "$work"
  local port controller
  port="$(free_port)"
  controller="$(free_port)"
  kafka_properties "$work" "$port" "$controller" >"$work/server.properties"
  "$java" "@$cache/kafka-base.args" kafka.tools.StorageTool format \
    -t "$(cluster_id)" -c "$work/server.properties" >"$work/format.log" 2>&1 ||
    fail "Kafka could not format a folder, see $work/format.log"
  cp -r "$work/data" "$cache/formatted"

  say "starting Kafka once, to remember which classes it loads"
  "$java" "@$cache/kafka-base.args" "-XX:ArchiveClassesAtExit=$cache/kafka.jsa" \
    kafka.Kafka "$work/server.properties" >"$work/log" 2>&1 9>&- &
  local pid=$!
  wait_for_kafka "$pid" "$work/log"
  # So that transactions and groups are among what is remembered.
  "$java" "@$cache/kafka-base.args" org.apache.kafka.tools.ProducerPerformance --topic first --num-records 100 \
    --record-size 10 --throughput -1 --transactional-id first --transaction-duration-ms 50 \
    --bootstrap-server "127.0.0.1:$port" >>"$work/log" 2>&1 || fail "Kafka took no records, see $work/log"
  "$java" "@$cache/kafka-base.args" org.apache.kafka.tools.ConsumerPerformance --topic first --num-records 100 \
    --bootstrap-server "127.0.0.1:$port" >>"$work/log" 2>&1 || fail "Kafka gave no records, see $work/log"
  stop_process "$pid"
  with_archive kafka >"$cache/kafka.args"
  rm -rf "$work"
}

prepare_registry() {
  local jars=("$cache"/registry/*-runner.jar) log="$cache/registry-first-run.log" java port
  java="$(java_command)"
  # The canonical hash: without it the same schema with other white space would be another schema.
  cat >"$cache/registry-base.args" <<-ARGUMENTS
	-XX:+UseSerialGC
	-XX:TieredStopAtLevel=1
	-Dregistry.ccompat.use-canonical-hash=true
	-Dquarkus.http.host=127.0.0.1
	ARGUMENTS

  say "starting the registry once, to remember which classes it loads"
  port="$(free_port)"
  "$java" "-Dquarkus.http.port=$port" "@$cache/registry-base.args" "-XX:ArchiveClassesAtExit=$cache/registry.jsa" \
    -jar "${jars[0]}" >"$log" 2>&1 9>&- &
  local pid=$!
  wait_for_registry "$pid" "$log" "$port"
  http "$port" POST /apis/ccompat/v7/subjects/first/versions '{"schema": "\"string\""}' | grep -q '^HTTP/1.[01] 200' ||
    fail "the registry took no schema, see $log"
  stop_process "$pid"
  { with_archive registry; printf -- '-jar "%s"\n' "${jars[0]}"; } >"$cache/registry.args"
  rm -f "$log"
}

with_archive() { # NAME; prints its arguments
  cat "$cache/$1-base.args"
  if [[ -e "$cache/$1.jsa" ]]; then
    printf '"-XX:SharedArchiveFile=%s"\n' "$cache/$1.jsa"
  else
    say "this Java keeps no archive of classes; $1 will start more slowly"
  fi
}

# --- one broker, one registry -------------------------------------------------------------------------------------

kafka_properties() { # FOLDER PORT CONTROLLER-PORT
  cat <<-PROPERTIES
	process.roles=broker,controller
	node.id=1
	controller.quorum.voters=1@127.0.0.1:$3
	listeners=PLAINTEXT://127.0.0.1:$2,CONTROLLER://127.0.0.1:$3
	advertised.listeners=PLAINTEXT://127.0.0.1:$2
	listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
	controller.listener.names=CONTROLLER
	log.dirs=$1/data
	offsets.topic.replication.factor=1
	offsets.topic.num.partitions=4
	transaction.state.log.replication.factor=1
	transaction.state.log.min.isr=1
	transaction.state.log.num.partitions=4
	share.coordinator.state.topic.replication.factor=1
	share.coordinator.state.topic.min.isr=1
	group.initial.rebalance.delay.ms=0
	PROPERTIES
}

# 16 bytes in base64, as Kafka wants it; without the signs that would have to be quoted somewhere.
cluster_id() { head -c 16 /dev/urandom | base64 | tr '+/' 'pl' | cut -c 1-22; }

wait_for_kafka() { # PID LOG
  for ((tick = 0; tick < 1200; tick++)); do
    grep -qs 'Kafka Server started' "$2" && return
    kill -0 "$1" 2>/dev/null || fail "Kafka ended while starting:
$(tail -n 20 "$2")"
    sleep 0.1
  done
  fail "Kafka does not answer after two minutes, see $2"
}

wait_for_registry() { # PID LOG PORT; then demands of schemas what Confluent's registry does by default
  for ((tick = 0; tick < 1200; tick++)); do
    if http "$3" PUT /apis/ccompat/v7/config '{"compatibility": "BACKWARD"}' 2>/dev/null | grep -q '^HTTP/1.[01] 200'; then
      return
    fi
    kill -0 "$1" 2>/dev/null || fail "the registry ended while starting:
$(tail -n 20 "$2")"
    sleep 0.1
  done
  fail "the registry does not answer after two minutes, see $2"
}

http() { # PORT METHOD PATH BODY; prints the answer with its head
  exec 3<>"/dev/tcp/127.0.0.1/$1" || return
  printf '%s %s HTTP/1.0\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s' \
    "$2" "$3" "${#4}" "$4" >&3
  cat <&3
  exec 3>&-
}

taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

free_port() {
  local port
  while port=$((20000 + RANDOM % 12000)) && taken "$port"; do :; done
  printf '%s' "$port"
}

chosen_port() { # PORT|free OPTION
  if [[ "$1" == free ]]; then
    free_port
  elif ! [[ "$1" =~ ^[0-9]+$ ]]; then
    fail "$2 wants a number or the word free, not '$1'" 64
  elif taken "$1"; then
    fail "port $1 is in use; choose another with $2 PORT, or $2 free"
  else
    printf '%s' "$1"
  fi
}

stop_process() { # PID
  kill "$1" 2>/dev/null || return 0
  for ((tick = 0; tick < 300; tick++)); do
    kill -0 "$1" 2>/dev/null || return 0
    sleep 0.1
  done
  kill -KILL "$1" 2>/dev/null || true
}

# --- by hand ------------------------------------------------------------------------------------------------------

# Whether a process that `up` started in this folder still runs; a number alone may be another's by now.
runs() { # PID-FILE
  local pid
  pid="$(cat "$1" 2>/dev/null)" || return
  { cat "/proc/$pid/cmdline" || ps -o command= -p "$pid"; } 2>/dev/null | grep -aqF -- "-Dtributary.services=$dir/"
}

# Java runs on in the background, whatever becomes of this shell.
start() { # NAME ARGUMENTS…
  local name="$1"
  shift
  nohup "$(java_command)" "-Dtributary.services=$dir/" "$@" >"$dir/$name.log" 2>&1 </dev/null &
  echo $! >"$dir/$name.pid"
}

stop_all() {
  for name in kafka registry; do
    if runs "$dir/$name.pid"; then stop_process "$(cat "$dir/$name.pid")"; fi
    rm -f "$dir/$name.pid"
  done
}

up() {
  if runs "$dir/kafka.pid" || runs "$dir/registry.pid"; then
    fail "services run already in $dir; stop them with: $0 down --dir $dir"
  fi
  if [[ -d "$dir" && ! -e "$dir/$marker" && -n "$(ls -A "$dir")" ]]; then
    fail "$dir is not empty and not ours; choose another folder with --dir"
  fi
  local kafka registry controller
  kafka="$(chosen_port "$kafka_port" --kafka-port)"
  registry="$(chosen_port "$registry_port" --registry-port)"
  controller="$(free_port)"
  fetch
  mkdir -p "$dir"
  touch "$dir/$marker"
  if [[ ! -d "$dir/data" ]]; then
    cp -r "$cache/formatted" "$dir/data.new"
    local id
    id="$(cluster_id)"
    sed "s/^cluster.id=.*/cluster.id=$id/" "$cache/formatted/meta.properties" >"$dir/data.new/meta.properties"
    mv "$dir/data.new" "$dir/data"
  fi
  kafka_properties "$dir" "$kafka" "$controller" >"$dir/server.properties"
  trap stop_all EXIT
  start kafka -Xmx1g "@$cache/kafka.args" kafka.Kafka "$dir/server.properties"
  start registry -Xmx256m "-Dquarkus.http.port=$registry" "@$cache/registry.args"
  wait_for_kafka "$(cat "$dir/kafka.pid")" "$dir/kafka.log"
  wait_for_registry "$(cat "$dir/registry.pid")" "$dir/registry.log" "$registry"
  trap - EXIT
  cat <<-TEXT
	Kafka:     127.0.0.1:$kafka
	registry:  http://127.0.0.1:$registry/apis/ccompat/v7
	folder:    $dir (logs, data)

	For a group file:

	  log:
	    kafka:
	      brokers: ["127.0.0.1:$kafka"]
	      registry: "http://127.0.0.1:$registry/apis/ccompat/v7"

	Stop both and remove the folder with: $0 down --dir $dir
	TEXT
}

down() {
  [[ -e "$dir/$marker" ]] || fail "there is nothing of ours in $dir; name the folder given to up with --dir"
  stop_all
  rm -rf "$dir"
}

usage() {
  sed -n '2,/^set -/{/^set -/d;s/^# \{0,1\}//;p;}' "${BASH_SOURCE[0]}" >&2
  exit 64
}

command="${1:-}"
shift || usage
dir="$PWD/.services"
kafka_port=9092
registry_port=8081
while [[ $# -gt 0 ]]; do
  [[ $# -ge 2 ]] || usage
  case "$1" in
    --dir) dir="$2" ;;
    --kafka-port) kafka_port="$2" ;;
    --registry-port) registry_port="$2" ;;
    *) usage ;;
  esac
  shift 2
done
[[ "$dir" == /* ]] || dir="$PWD/$dir"

case "$command" in
  up) up ;;
  down) down ;;
  fetch) fetch && printf '%s\n' "$cache" ;;
  *) usage ;;
esac
