#!/usr/bin/env bash
# The lab: an engine, compose and images for the demo and the tests, on a machine that may have none of them.
#
#   scripts/lab.sh up [--test]     use the engine that answers, else start today's Docker (Debian, root); make the images exist
#   scripts/lab.sh env             what to eval to use the lab's engine; nothing when an engine of yours answers
#   scripts/lab.sh status          what is there
#   scripts/lab.sh down [--purge]  stop what `up` started; --purge also removes its data and unpacked packages
#
# COMPOSE_ROLLBACK_LAB=DIR puts everything under DIR instead of /var/lib and /run.
# COMPOSE_ROLLBACK_LAB_SUITES="sid trixie own" are the Debian suites to take the engine from; the first that works is used.
# Packages are unpacked under the lab, not installed: the machine stays as it was, and a purge is complete.
set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=engines.sh
. "$(dirname "${BASH_SOURCE[0]}")/engines.sh"

NEWEST_DOCKER=28.5
NEWEST_COMPOSE=2.40
OLDEST_COMPOSE_SUITE=trixie # 2.26.1

main() {
  local command=${1:-}
  if (($#)); then shift; fi
  case $command in
    up) up "$@" ;;
    down) down "$@" ;;
    env) print_env ;;
    status) status ;;
    *)
      say "usage: scripts/lab.sh up [--test] | down [--purge] | env | status"
      exit 2
      ;;
  esac
}

# ---------------------------------------------------------------- up

up() {
  local for_tests=no
  case ${1:-} in
    '') ;;
    --test) for_tests=yes ;;
    *) die "lab.sh up: unknown option $1 (there is --test)" ;;
  esac

  choose_engine
  if [[ $ENGINE != own ]]; then
    serialise
    choose_engine
  fi
  case $ENGINE in
    own) say "lab: using the engine that answers: Docker $(server_version) at $(current_host); nothing started" ;;
    lab) say "lab: the engine already runs: Docker $(server_version) at $LAB_HOST" ;;
    none) start_engine ;;
  esac
  ensure_compose
  if [[ $for_tests == yes ]]; then
    "$REPO/test/lab/images.sh" --test
    unpack_test_programs
  else
    "$REPO/test/lab/images.sh"
  fi
  say "lab: ready after $SECONDS s"
}

# Two people (or a script and a person) may call `up` at once: one at a time.
serialise() {
  have flock || return 0
  mkdir -p "$LAB"
  exec 9>"$LAB/lock"
  flock 9
}

server_version() { docker version --format '{{.Server.Version}}'; }

current_host() {
  if [[ -n ${DOCKER_HOST:-} ]]; then
    printf '%s\n' "$DOCKER_HOST"
  else
    docker context inspect --format '{{.Endpoints.docker.Host}}' 2>/dev/null || printf 'the default socket\n'
  fi
}

start_engine() {
  if ! is_debian; then
    die "no Docker engine answers, and one can be started only on Debian: start Docker and run this again"
  fi
  if ((EUID != 0)); then
    die "no Docker engine answers, and starting one needs root: start Docker, or run this as root"
  fi
  local pid
  if pid=$(lab_dockerd_pid); then
    until_true 30 lab_answers || die "the lab's dockerd (pid $pid) runs but does not answer: scripts/lab.sh down, then up"
    choose_engine
    return 0
  fi
  sweep # leftovers of a dockerd that was killed
  say "lab: no Docker engine answers; starting one under $LAB"
  first_suite Docker start_docker_of || die "the lab's engine cannot run on this machine"
  choose_engine
  [[ $ENGINE == lab ]] || die "dockerd answered and then ended; see $LAB/dockerd.log"
  say "lab: Docker $(server_version) of Debian's suite '$SUITE' runs at $LAB_HOST (stop it with scripts/lab.sh down)"
  warn_if_older Docker "$(server_version)" "$NEWEST_DOCKER"
}

# start_docker_of SUITE: fails when the suite cannot be reached, or when its Docker does not run here.
start_docker_of() {
  local suite=$1 tree pid data=$LAB/docker/$1 command=()
  make_docker_tree "$suite" || return 1
  tree=$(engine_tree docker "$suite")
  use_client "$tree"
  link_plugins "$LAB_CONFIG" "$suite" || warn "compose of Debian's suite '$suite' cannot be had"
  mkdir -p "$LAB_RUN" "$data" || return 1
  chmod 0711 "$LAB" "$LAB_RUN"
  daemon_settings true >"$LAB/daemon.json"
  remember_machine "$tree"
  while IFS= read -r word; do command+=("$word"); done < <(dockerd_command "$LAB/daemon.json" "$data" "$LAB_RUN" "$LAB_HOST")
  pid=$(with_tree "$tree" detach "$LAB/dockerd.log" "${command[@]}")
  until_true 60 answers_or_ended "$pid" || true
  if lab_answers; then return 0; fi
  say "dockerd of Debian's suite '$suite' does not answer; the last lines of $LAB/dockerd.log:"
  tail -n 15 "$LAB/dockerd.log" | sed 's/^/  | /' >&2
  kill -KILL "$pid" 2>/dev/null || true
  sweep
  return 1
}

answers_or_ended() { lab_answers || ! alive "$1"; }

# On machines without a docker client the one of the engine's tree is used.
use_client() {
  if [[ ! -L $LAB_BIN/docker ]] && have docker; then return 0; fi
  mkdir -p "$LAB_BIN"
  ln -sfn "$1/usr/bin/docker" "$LAB_BIN/docker"
  case ":$PATH:" in
    *:"$LAB_BIN":*) ;;
    *) PATH=$PATH:$LAB_BIN ;;
  esac
}

# dockerd changes the machine's network and does not change it back: the state before is kept for restore_machine.
remember_machine() {
  if [[ -e $LAB/machine.before ]]; then return 0; fi # a dockerd was killed: the state before it is the one to keep
  {
    printf 'tree=%s\n' "$1"
    printf 'forwarding=%s\n' "$(cat /proc/sys/net/ipv4/ip_forward)"
    printf 'policy=%s\n' "$(with_tree "$1" iptables -w -S FORWARD | awk '$1 == "-P" { print $3 }')"
    # The rules of another Docker on this machine are not ours to remove.
    if with_tree "$1" iptables -w -S DOCKER >/dev/null 2>&1; then printf 'docker=yes\n'; fi
  } >"$LAB/machine.before"
}

# ---------------------------------------------------------------- compose, and programs for the tests

ensure_compose() {
  if ! compose_answers; then
    is_debian || die "docker compose is missing: install Docker's compose plug-in"
    first_suite "docker compose" link_plugins "$LAB_CONFIG" || die "docker compose is missing and cannot be had from this machine's package sources"
    if [[ $ENGINE == own ]]; then use_unpacked_compose; fi
    compose_answers || die "docker compose does not work, though its plug-in is in $LAB_CONFIG"
  fi
  say "lab: docker compose $(docker compose version --short), buildx $(docker buildx version 2>/dev/null | awk '{ print $2 }' || printf 'missing')"
  warn_if_older "docker compose" "$(docker compose version --short)" "$NEWEST_COMPOSE"
}

# For tests only: the oldest compose v2, compose v1 (Debian 12's docker-compose) and a real registry for loopback.
unpack_test_programs() {
  if ! is_debian; then
    warn "not Debian: no compose v1 and no registry for the tests that use them"
    return 0
  fi
  link_plugins "$LAB/oldest" "$OLDEST_COMPOSE_SUITE" || warn "no compose 2.26 for the tests of an upgrade"
  if [[ ! -x $LAB/v1/docker-compose ]]; then
    wrap_compose_v1
  fi
  if [[ ! -x $LAB/registry/docker-registry ]]; then
    local registry
    registry=$(need_file docker-registry usr/bin/docker-registry)
    mkdir -p "$LAB/registry"
    ln -sfn "$registry" "$LAB/registry/docker-registry"
  fi
}

# Compose v1 is a Python program: told where its unpacked modules are, it runs without being installed.
wrap_compose_v1() {
  local program python
  program=$(need_file docker-compose usr/bin/docker-compose) || return 1
  python=$(lab_file usr/bin/python3) || die "compose v1 came without Python"
  mkdir -p "$LAB/v1"
  {
    printf '#!/bin/sh\n# Compose v1, unpacked by scripts/lab.sh.\n'
    printf 'export PYTHONPATH=%q PYTHONDONTWRITEBYTECODE=1\n' "$LAB_ROOT/usr/lib/python3/dist-packages"
    case $python in
      "$LAB_ROOT"/*) printf 'export LD_LIBRARY_PATH=%q\n' "$(lab_library_path)" ;;
    esac
    printf 'exec %q %q "$@"\n' "$python" "$program"
  } >"$LAB/v1/docker-compose"
  chmod 0755 "$LAB/v1/docker-compose"
  if ! "$LAB/v1/docker-compose" version --short 2>/dev/null | grep -q '^1\.'; then
    rm -f "$LAB/v1/docker-compose"
    die "this Debian's docker-compose is not a working compose v1 (Debian 12 has one): the legacy provider cannot be tested"
  fi
}

# ---------------------------------------------------------------- env, status

print_env() {
  local docker_host=${DOCKER_HOST:-} docker_config=${DOCKER_CONFIG:-}
  choose_engine
  if [[ $ENGINE == lab || ${DOCKER_HOST:-} != "$docker_host" || ${DOCKER_CONFIG:-} != "$docker_config" ]]; then
    printf 'export DOCKER_HOST=%q DOCKER_CONFIG=%q\n' "$DOCKER_HOST" "$DOCKER_CONFIG"
  fi
  if [[ $(command -v docker || true) == "$LAB_BIN/docker" ]]; then
    # shellcheck disable=SC2016 # the PATH of the shell that evals this
    printf 'case ":$PATH:" in *:%q:*) ;; *) export PATH="$PATH":%q ;; esac\n' "$LAB_BIN" "$LAB_BIN"
  fi
  local oldest=$LAB/oldest/cli-plugins/docker-compose
  if [[ -x $oldest ]]; then printf 'export COMPOSE_OLDEST=%q\n' "$oldest"; fi
  if [[ -x $LAB/v1/docker-compose ]]; then printf 'export COMPOSE_V1=%q\n' "$LAB/v1/docker-compose"; fi
  if [[ -x $LAB/registry/docker-registry ]]; then printf 'export REGISTRY_BIN=%q\n' "$LAB/registry/docker-registry"; fi
}

status() {
  choose_engine
  case $ENGINE in
    own) say "engine: yours, Docker $(server_version) at $(current_host)" ;;
    lab) say "engine: the lab's, Docker $(server_version) at $LAB_HOST, pid $(cat "$LAB_PID")" ;;
    none)
      say "engine: none answers (scripts/lab.sh up starts one)"
      return 1
      ;;
  esac
  say "compose: $(docker compose version --short 2>/dev/null || printf 'missing')"
  "$REPO/test/lab/images.sh" --list
}

# ---------------------------------------------------------------- down

down() {
  local purge=no
  case ${1:-} in
    '') ;;
    --purge) purge=yes ;;
    *) die "lab.sh down: unknown option $1 (there is --purge)" ;;
  esac
  if [[ -d $LAB ]]; then serialise; fi
  "$REPO/test/lab/engines.sh" down
  stop_engine
  if [[ $purge == yes ]]; then
    rm -rf "${LAB:?}" "${LAB_RUN:?}"
    say "lab: removed $LAB"
  fi
}

# The pid file could be stale and its number somebody else's: the process must be a dockerd on this very data root.
lab_dockerd_pid() {
  local pid
  [[ -r $LAB_PID ]] || return 1
  pid=$(cat "$LAB_PID")
  [[ -r /proc/$pid/cmdline ]] || return 1
  tr '\0' '\n' <"/proc/$pid/cmdline" | grep -qF -- "$LAB/docker/" || return 1
  printf '%s\n' "$pid"
}

process_gone() { [[ ! -e /proc/$1 ]]; }

stop_engine() {
  local pid
  if pid=$(lab_dockerd_pid); then
    remember_bridges
    kill -TERM "$pid"
    # dockerd gives its containers their stop time before it ends.
    until_true 60 process_gone "$pid" || kill -KILL "$pid" 2>/dev/null || true
    until_true 10 process_gone "$pid" || die "dockerd (pid $pid) does not end"
    say "lab: engine stopped"
  else
    say "lab: no engine of the lab's runs"
  fi
  sweep
  restore_machine
}

# After a kill, shims and containers outlive dockerd.
sweep() {
  [[ -d $LAB_RUN ]] || return 0
  end_processes engine_leftovers || true
  unmount_under "$LAB_RUN"
  unmount_under "$LAB/docker"
  rm -rf "$LAB_RUN"
}

engine_leftovers() {
  engine_pids "$LAB_RUN/exec"
  container_pids "$LAB"/docker/*/containers
}

# Networks keep their bridges when dockerd ends; its next start makes them again.
remember_bridges() {
  local id
  mkdir -p "$LAB/bridges"
  for id in $(DOCKER_HOST=$LAB_HOST docker network ls --quiet --no-trunc --filter driver=bridge 2>/dev/null); do
    touch "$LAB/bridges/br-${id:0:12}"
  done
}

unmount_under() {
  local mount
  awk -v under="$1" 'index($2, under "/") == 1 { print $2 }' /proc/self/mounts | sort -r | while IFS= read -r mount; do
    umount "$mount" 2>/dev/null || umount -l "$mount" 2>/dev/null || warn "cannot unmount $mount"
  done
}

# Puts back what dockerd leaves changed: bridges, rules, the forwarding switch and the policy that goes with it.
restore_machine() {
  [[ -r $LAB/machine.before ]] || return 0
  local before tree
  before=$(cat "$LAB/machine.before")
  tree=$(sed -n 's/^tree=//p' <<<"$before")
  rm -f "$LAB/machine.before"
  if [[ $before != *docker=yes* ]]; then
    remove_bridges
    remove_rules "$tree" filter FORWARD
    remove_rules "$tree" nat PREROUTING OUTPUT POSTROUTING
    with_tree "$tree" iptables -w -P FORWARD "$(sed -n 's/^policy=//p' <<<"$before")" 2>/dev/null || true
  fi
  sed -n 's/^forwarding=//p' <<<"$before" >/proc/sys/net/ipv4/ip_forward 2>/dev/null || true
}

remove_bridges() {
  local id
  have ip || return 0
  for id in docker0 $(ls "$LAB/bridges" 2>/dev/null); do
    if [[ -e /sys/class/net/$id/bridge ]]; then ip link delete "$id" 2>/dev/null || true; fi
  done
  rm -rf "$LAB/bridges"
}

# remove_rules TREE TABLE CHAIN...: removes Docker's jumps and addresses from the kernel's chains, then its own chains.
remove_rules() {
  local tree=$1 table=$2 chain rule
  shift 2
  for chain in "$@"; do
    with_tree "$tree" iptables -w -t "$table" -S "$chain" 2>/dev/null |
      grep -E -- '-A .*(DOCKER|docker0|br-[0-9a-f]{12})' | sed 's/^-A/-D/' | while IFS= read -r rule; do
      # shellcheck disable=SC2086 # the words of a rule
      with_tree "$tree" iptables -w -t "$table" $rule 2>/dev/null || true
    done
  done
  for rule in -F -X; do
    with_tree "$tree" iptables -w -t "$table" -S 2>/dev/null | awk '$1 == "-N" && $2 ~ /^DOCKER/ { print $2 }' |
      while IFS= read -r chain; do with_tree "$tree" iptables -w -t "$table" "$rule" "$chain" 2>/dev/null || true; done
  done
}

main "$@"
