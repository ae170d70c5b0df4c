#!/usr/bin/env bash
# The lab: an engine, compose and images for the demo and the tests, on a machine that may have none of them.
#
#   scripts/lab.sh up [--test]     use the engine that answers, else start one (Debian, root); make the images exist
#   scripts/lab.sh env             what to eval to use the lab's engine; nothing when an engine of yours answers
#   scripts/lab.sh status          what is there
#   scripts/lab.sh down [--purge]  stop what `up` started; --purge also removes its data and unpacked packages
#
# COMPOSE_ROLLBACK_LAB=DIR puts everything under DIR instead of /var/lib and /run.
# Packages are unpacked under the lab, not installed: the machine stays as it was, and a purge is complete.
set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

COMPOSE_SUITE=trixie # the first Debian whose docker-compose is compose v2: one static file

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
  sweep # what a dockerd that was killed may have left
  say "lab: no Docker engine answers; starting one under $LAB"
  unpack_engine
  choose_iptables
  mkdir -p "$LAB_RUN" "$LAB_CONFIG" "$LAB/docker"
  chmod 0711 "$LAB" "$LAB_RUN"
  [[ -e $LAB/daemon.json ]] || printf '{}\n' >"$LAB/daemon.json"
  remember_machine
  local log=$LAB/dockerd.log
  launch_dockerd "$log"
  export DOCKER_HOST=$LAB_HOST DOCKER_CONFIG=$LAB_CONFIG
  if ! until_true 60 engine_up_or_dead; then
    die "dockerd does not answer after 60 s; see $log"
  fi
  if ! engine_answers; then
    say "dockerd ended at once; the last lines of $log:"
    tail -n 15 "$log" | sed 's/^/  | /' >&2
    die "the lab's engine cannot run on this machine"
  fi
  ENGINE=lab
  say "lab: Docker $(server_version) runs at $LAB_HOST (stop it with scripts/lab.sh down)"
}

unpack_engine() {
  if ! have dockerd && ! lab_file usr/sbin/dockerd usr/bin/dockerd >/dev/null; then
    unpack_debs docker.io containerd runc iptables
  elif ! have iptables && [[ ! -e $LAB_ROOT/usr/sbin/xtables-nft-multi ]]; then
    unpack_debs iptables
  fi
  if ! have docker; then
    # The engine's package brings a client too (Debian 13 and later: docker-cli).
    if ! lab_file usr/bin/docker >/dev/null; then unpack_debs docker-cli; fi
    mkdir -p "$LAB_BIN"
    ln -sfn "$(lab_file usr/bin/docker)" "$LAB_BIN/docker"
    PATH=$PATH:$LAB_BIN
  fi
}

# with_engine_tools COMMAND...: with the PATH and libraries that dockerd and its children need to find each other.
with_engine_tools() (
  PATH=$LAB/sbin:$LAB_ROOT/usr/sbin:$LAB_ROOT/usr/bin:$LAB_ROOT/sbin:$PATH:/usr/sbin:/sbin
  LD_LIBRARY_PATH=$(lab_library_path)
  XTABLES_LIBDIR=$(lab_file 'usr/lib/*-linux-gnu*/xtables' || true)
  export PATH LD_LIBRARY_PATH XTABLES_LIBDIR
  "$@"
)

# iptables is chosen by Debian's alternatives, which an unpacked package has not got: take the variant this kernel has.
choose_iptables() {
  mkdir -p "$LAB/sbin"
  if have iptables; then return 0; fi
  local variant name
  for variant in nft legacy; do
    for name in iptables iptables-save iptables-restore ip6tables ip6tables-save ip6tables-restore; do
      wrap_iptables "$LAB_ROOT/usr/sbin/xtables-$variant-multi" "$name"
    done
    if with_engine_tools iptables -w -t nat -S >/dev/null 2>&1; then return 0; fi
  done
  die "iptables does not work on this machine (neither nft nor legacy): the lab's engine cannot have a network"
}

# wrap_iptables PROGRAM NAME: finds its unpacked libraries by itself. Engines' helpers are told nothing of where they are.
wrap_iptables() {
  rm -f "$LAB/sbin/$2"
  {
    printf '#!/bin/sh\n# Unpacked by scripts/lab.sh.\n'
    printf 'export LD_LIBRARY_PATH=%q XTABLES_LIBDIR=%q\n' "$(lab_library_path)" "$(lab_file 'usr/lib/*-linux-gnu*/xtables')"
    printf 'exec %q %s "$@"\n' "$1" "$2"
  } >"$LAB/sbin/$2"
  chmod 0755 "$LAB/sbin/$2"
}

launch_dockerd() {
  local arguments=(
    --config-file "$LAB/daemon.json" --data-root "$LAB/docker" --exec-root "$LAB_RUN/exec"
    --pidfile "$LAB_PID" --host "$LAB_HOST"
  )
  with_engine_tools detach "$1" dockerd "${arguments[@]}"
}

# A session of its own, no terminal, no lock of ours: it outlives this script and its shell.
detach() {
  local log=$1
  shift
  exec 9>&-
  cd /
  setsid nohup "$@" >"$log" 2>&1 </dev/null &
  echo $! >"$LAB_RUN/launched.pid"
}

engine_up_or_dead() { engine_answers || ! kill -0 "$(cat "$LAB_RUN/launched.pid")" 2>/dev/null; }

# What dockerd changes on the machine and does not change back: written down here, for restore_machine.
remember_machine() {
  if [[ -e $LAB/machine.before ]]; then return 0; fi # a dockerd that was killed: the state before it is the one to keep
  {
    printf 'forwarding=%s\n' "$(cat /proc/sys/net/ipv4/ip_forward)"
    printf 'policy=%s\n' "$(with_engine_tools iptables -w -S FORWARD | awk '$1 == "-P" { print $3 }')"
    # The rules of another Docker on this machine are not ours to remove.
    if with_engine_tools iptables -w -S DOCKER >/dev/null 2>&1; then printf 'docker=yes\n'; fi
  } >"$LAB/machine.before"
}

# ---------------------------------------------------------------- compose, and what the tests want

ensure_compose() {
  if compose_answers; then return 0; fi
  is_debian || die "docker compose is missing: install Docker's compose plug-in"
  local target=$LAB_CONFIG/cli-plugins/docker-compose suite=$COMPOSE_SUITE
  if [[ ! -x $target ]]; then
    local scratch
    scratch=$(mktemp -d "$LAB/compose.XXXXXX")
    rm -f "$LAB/apt/$suite"/docker-compose_*.deb
    get_debs "$suite" download docker-compose ||
      die "docker compose is missing and cannot be had from this machine's package sources"
    dpkg-deb -x "$LAB/apt/$suite"/docker-compose_*.deb "$scratch"
    mkdir -p "$LAB_CONFIG/cli-plugins"
    mv "$scratch/usr/libexec/docker/cli-plugins/docker-compose" "$target"
    rm -rf "$scratch" "$LAB/apt/$suite"/docker-compose_*.deb
  fi
  if [[ $ENGINE == own ]]; then use_unpacked_compose; fi
  compose_answers || die "docker compose does not work, though $target is there"
  say "lab: docker compose $(docker compose version --short) unpacked into $LAB_CONFIG"
}

# For tests only: compose v1 (Debian 12's docker-compose) and a real registry for loopback.
unpack_test_programs() {
  if ! is_debian; then
    warn "not Debian: no compose v1 and no registry for the tests that use them"
    return 0
  fi
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
  "$REPO/test/lab/podman.sh" down
  "$REPO/test/lab/newer.sh" down
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
  tr '\0' '\n' <"/proc/$pid/cmdline" | grep -qxF -- "$LAB/docker" || return 1
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

sweep() {
  [[ -d $LAB_RUN ]] || return 0
  end_leftovers
  unmount_under "$LAB_RUN"
  unmount_under "$LAB/docker"
  rm -rf "$LAB_RUN"
}

# Networks keep their bridges when dockerd ends; its next start makes them again.
remember_bridges() {
  local id
  mkdir -p "$LAB/bridges"
  for id in $(DOCKER_HOST=$LAB_HOST docker network ls --quiet --no-trunc --filter driver=bridge 2>/dev/null); do
    touch "$LAB/bridges/br-${id:0:12}"
  done
}

# After a kill, shims and containers outlive dockerd. Shims carry the lab's exec root on their command line, the
# processes of a container its id in their control group.
end_leftovers() {
  local pid
  for pid in $(leftovers); do kill -TERM "$pid" 2>/dev/null || true; done
  until_true 5 no_leftovers && return 0
  for pid in $(leftovers); do kill -KILL "$pid" 2>/dev/null || true; done
  until_true 5 no_leftovers || warn "still running: $(leftovers | tr '\n' ' ')"
}

leftovers() {
  local dir line
  for dir in /proc/[0-9]*; do
    line=$(tr '\0' ' ' 2>/dev/null <"$dir/cmdline") || continue
    case $line in
      *containerd*" $LAB_RUN/exec/"*) printf '%s\n' "${dir#/proc/}" ;;
    esac
  done
  container_pids "$LAB/docker/containers"
}

no_leftovers() { [[ -z $(leftovers) ]]; }

unmount_under() {
  local mount
  awk -v under="$1" '$2 == under || index($2, under "/") == 1 { print $2 }' /proc/self/mounts | sort -r | while IFS= read -r mount; do
    umount "$mount" 2>/dev/null || umount -l "$mount" 2>/dev/null || warn "cannot unmount $mount"
  done
}

# Puts back what dockerd leaves changed: bridges, rules, the forwarding switch and the policy that goes with it.
restore_machine() {
  [[ -r $LAB/machine.before ]] || return 0
  local before
  before=$(cat "$LAB/machine.before")
  rm -f "$LAB/machine.before"
  if [[ $before != *docker=yes* ]]; then
    remove_bridges
    remove_rules filter FORWARD
    remove_rules nat PREROUTING OUTPUT POSTROUTING
    with_engine_tools iptables -w -P FORWARD "$(sed -n 's/^policy=//p' <<<"$before")" 2>/dev/null || true
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

# remove_rules TABLE CHAIN...: Docker's jumps and addresses in the chains of the kernel, then its own chains.
remove_rules() {
  local table=$1 chain rule
  shift
  for chain in "$@"; do
    with_engine_tools iptables -w -t "$table" -S "$chain" 2>/dev/null |
      grep -E -- '-A .*(DOCKER|docker0|br-[0-9a-f]{12})' | sed 's/^-A/-D/' | while IFS= read -r rule; do
      # shellcheck disable=SC2086 # the words of a rule
      with_engine_tools iptables -w -t "$table" $rule 2>/dev/null || true
    done
  done
  for rule in -F -X; do
    with_engine_tools iptables -w -t "$table" -S 2>/dev/null | awk '$1 == "-N" && $2 ~ /^DOCKER/ { print $2 }' |
      while IFS= read -r chain; do with_engine_tools iptables -w -t "$table" "$rule" "$chain" 2>/dev/null || true; done
  done
}

main "$@"
