#!/usr/bin/env bash
# Podman, rootful, beside the lab's Docker: unpacked, with a store and a configuration of its own, its API on a socket.
#
#   test/lab/podman.sh up      start it, with the images that the tests name, as the lab's Docker has them
#   test/lab/podman.sh env     what to eval so that the tests find it; nothing when it does not run
#   test/lab/podman.sh down    remove its containers, end it
set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=../../scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"

HOME_DIR=$LAB/podman
RUN_DIR=$LAB_RUN/podman
# Not podman.sock: what a socket is called says nothing, and the tests should not depend on it.
SOCKET=$RUN_DIR/engine.sock
IMAGES=(redis:7-alpine busybox:latest)

main() {
  case ${1:-} in
    up) up ;;
    env) print_env ;;
    down) down ;;
    *)
      say "usage: test/lab/podman.sh up | env | down"
      exit 2
      ;;
  esac
}

up() {
  if answers; then return 0; fi
  if ! is_debian || ((EUID != 0)); then
    warn "no Podman for the tests that use one: it can be started only on Debian, as root"
    return 0
  fi
  choose_engine
  [[ $ENGINE != none ]] || die "no engine answers: scripts/lab.sh up comes first"
  need_file podman usr/bin/podman >/dev/null
  need_file conmon usr/bin/conmon >/dev/null
  need_file 'netavark aardvark-dns' usr/lib/podman/netavark >/dev/null
  need_file catatonit usr/bin/catatonit >/dev/null
  configure
  local id image
  for image in "${IMAGES[@]}"; do
    # An archive gives names without a registry; a short name means Docker's.
    docker save "$image" | podman load --quiet >/dev/null
    id=$(podman image inspect --format '{{.Id}}' "localhost/$image")
    podman tag "$id" "docker.io/library/$image"
    podman untag "$id" "localhost/$image"
  done
  podman_env exec setsid nohup podman system service --time=0 "unix://$SOCKET" >"$HOME_DIR/service.log" 2>&1 </dev/null &
  until_true 30 answers || die "Podman does not answer; see $HOME_DIR/service.log"
  say "lab: Podman $(podman version --format '{{.Client.Version}}') runs at unix://$SOCKET"
}

answers() { [[ -S $SOCKET ]] && curl -fsS --max-time 5 --unix-socket "$SOCKET" http://d/_ping >/dev/null 2>&1; }

# Everything is named here: no file of the machine's is read, none is written.
configure() {
  local helpers
  mkdir -p "$HOME_DIR/networks" "$HOME_DIR/home/.config/containers" "$RUN_DIR"
  helpers=$(dirname "$(lab_file usr/lib/podman/netavark)")
  # Measured, 4.3.1: its API exchanges soft and hard limits, so they are the same here.
  cat >"$HOME_DIR/containers.conf" <<CONF
[containers]
default_ulimits = ["nofile=16384:16384", "nproc=16384:16384"]
seccomp_profile = "$(lab_file usr/share/containers/seccomp.json)"
[network]
network_backend = "netavark"
network_config_dir = "$HOME_DIR/networks"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
conmon_path = ["$(lab_file usr/bin/conmon)"]
helper_binaries_dir = ["$helpers"]
init_path = "$(lab_file usr/bin/catatonit)"
tmp_dir = "$RUN_DIR/libpod"
[engine.runtimes]
runc = ["$(lab_file usr/sbin/runc usr/bin/runc)"]
CONF
  cat >"$HOME_DIR/storage.conf" <<CONF
[storage]
driver = "overlay"
graphroot = "$HOME_DIR/storage"
runroot = "$RUN_DIR/storage"
CONF
  cat >"$HOME_DIR/registries.conf" <<CONF
unqualified-search-registries = ["docker.io"]
[[registry]]
location = "127.0.0.1"
insecure = true
CONF
  printf '{ "default": [{ "type": "insecureAcceptAnything" }] }\n' >"$HOME_DIR/home/.config/containers/policy.json"
}

# podman_env COMMAND...: with the configuration above, and the paths on which Podman and its helpers find each other.
podman_env() (
  unset DOCKER_HOST DOCKER_CONFIG
  export HOME=$HOME_DIR/home CONTAINERS_CONF=$HOME_DIR/containers.conf
  export CONTAINERS_STORAGE_CONF=$HOME_DIR/storage.conf CONTAINERS_REGISTRIES_CONF=$HOME_DIR/registries.conf
  PATH=$LAB_ROOT/usr/bin:$LAB/sbin:$LAB_ROOT/usr/sbin:$PATH:/usr/sbin:/sbin
  LD_LIBRARY_PATH=$(lab_library_path)
  XTABLES_LIBDIR=$(lab_file 'usr/lib/*-linux-gnu*/xtables' || true)
  export PATH LD_LIBRARY_PATH XTABLES_LIBDIR
  cd /
  "$@"
)

podman() { podman_env command podman "$@"; }

print_env() {
  if answers; then printf 'export PODMAN_HOST=%q\n' "unix://$SOCKET"; fi
}

down() {
  if [[ ! -d $HOME_DIR ]]; then return 0; fi
  podman rm --force --all --time 1 >/dev/null 2>&1 || true
  podman network prune --force >/dev/null 2>&1 || true
  local pid
  for pid in $(service_pids); do kill -TERM "$pid"; done
  until_true 10 ended || die "Podman's service (pid $(service_pids)) does not end"
  umount "$HOME_DIR/storage/overlay" 2>/dev/null || true
  rm -rf "$RUN_DIR"
}

service_pids() {
  local dir
  for dir in /proc/[0-9]*; do
    if tr '\0' ' ' 2>/dev/null <"$dir/cmdline" | grep -qxF "podman system service --time=0 unix://$SOCKET "; then
      printf '%s\n' "${dir#/proc/}"
    fi
  done
}

ended() { [[ -z $(service_pids) ]]; }

main "$@"
