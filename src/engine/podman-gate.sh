#!/bin/sh
# Stands between podman-compose and Podman: lets through what makes the containers of the services that were asked for, never pulling, and the networks,
# volumes and pods that they need. Whatever would start, stop or remove anything ends well and does nothing.
# COMPOSE_ROLLBACK_GATE_PROGRAM is Podman, COMPOSE_ROLLBACK_GATE_SERVICES the services' names, each between spaces, and COMPOSE_ROLLBACK_GATE_POLICIES those of
# services whose own pull policy podman-compose hands on.

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
  create\ --name=*) ;;
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
# What is there stays: versions from 1.4 to 1.6 make some of it anew when they believe that they have taken it down.
if env -u COMPOSE_ROLLBACK_RUN "$COMPOSE_ROLLBACK_GATE_PROGRAM" container exists "${2#--name=}"; then exit 0; fi

verb=$1
shift
# Without the ties to dependencies, which come before the labels: Podman starts what a container is tied to with it, finished jobs too. In the place of the
# service's pull policy, in one word or two: the first --pull of several would not count.
policy=
case $COMPOSE_ROLLBACK_GATE_POLICIES in *" $service "*) policy=own ;; esac
count=$#
labels=
before=
while [ "$count" -gt 0 ]; do
  word=$1
  shift
  count=$((count - 1))
  case $word in
    --label) labels=begun ;;
    --requires=*) if [ -z "$labels" ]; then continue; fi ;;
  esac
  if [ "$policy" = own ]; then
    case $before:$word in
      --pull:*)
        word=never
        policy=
        ;;
      *:--pull=*)
        word=--pull=never
        policy=
        ;;
    esac
  fi
  before=$word
  set -- "$@" "$word"
done
podman "$verb" --pull=never "$@"
