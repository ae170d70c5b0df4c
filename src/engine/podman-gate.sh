#!/bin/sh
# Stands between podman-compose and Podman: lets through what makes the services that were asked for, never pulling, and the networks, volumes and
# pods that they need. Whatever would start, stop or remove anything ends well and does nothing.
# COMPOSE_ROLLBACK_GATE_PROGRAM is Podman, COMPOSE_ROLLBACK_GATE_SERVICES the services' names, each between spaces.

# What Podman leaves running for all containers, its DNS, keeps the environment of whoever came first: with the mark of our run in it, it would be ended with
# what a killed run left behind. So Podman goes without it, and what carries it waits here for Podman's end, and passes on what ends us.
podman() {
  child=
  trap 'kill $child' TERM
  env -u COMPOSE_ROLLBACK_RUN "$COMPOSE_ROLLBACK_GATE_PROGRAM" "$@" &
  child=$!
  wait "$child"
  status=$?
  while kill -0 "$child" 2>/dev/null; do
    wait "$child"
    status=$?
  done
  exit "$status"
}

case "$1 $2" in
  --version\ * | ps\ * | network\ exists | network\ create | volume\ inspect | volume\ create | pod\ exists | pod\ create)
    podman "$@"
    ;;
  run\ * | create\ *) ;;
  *) exit 0 ;;
esac

service=
before=
for word in "$@"; do
  if [ "$before" = --label ]; then
    case $word in com.docker.compose.service=*) service=${word#*=} ;; esac
  fi
  before=$word
done
case $COMPOSE_ROLLBACK_GATE_SERVICES in *" $service "*) ;; *) exit 0 ;; esac

verb=$1
shift
# In the place of --pull and its word; the first --pull of several would not count.
count=$#
before=
while [ "$count" -gt 0 ]; do
  word=$1
  shift
  if [ "$before" = --pull ]; then word=never; fi
  before=$word
  set -- "$@" "$word"
  count=$((count - 1))
done
podman "$verb" --pull=never "$@"
