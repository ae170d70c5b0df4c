#!/usr/bin/env bash
# Newer engines than this machine's Debian has, from the next one: Docker 26 with containerd's image store, and Podman 5.
#
#   test/lab/newer.sh up [ENGINE...]           start docker-26, podman-5 or both, with the images of the lab's Docker
#   test/lab/newer.sh env ENGINE               what to eval so that the tests find it; nothing when it does not run
#   test/lab/newer.sh run ENGINE COMMAND...    a command with that, in the network where its containers' ports are
#   test/lab/newer.sh down                     remove the containers of both, and end them
#
# They take a newer C library too, so they live in a tree of their own: unpacked, and the root of a mount namespace. Each has a
# network namespace besides: two engines with one set of bridges and rules would take them from one another. Under $LAB/newer
# files have the same path on both sides; tests keep theirs there.
set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=../../scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"

PACKAGES=(docker.io containerd runc iptables podman conmon netavark aardvark-dns nftables catatonit busybox-static base-files)
ENGINES=(docker-26 podman-5)
NEWER=$LAB/newer
TREE=$NEWER/tree

main() {
  local command=${1:-} engine
  if (($#)); then shift; fi
  case $command in
    up)
      for engine in "${@:-${ENGINES[@]}}"; do
        choose_newer "$engine"
        up
      done
      ;;
    env)
      choose_newer "${1:-}"
      print_env
      ;;
    run)
      choose_newer "${1:-}"
      shift
      run "$@"
      ;;
    down) down ;;
    *)
      say "usage: test/lab/newer.sh up [ENGINE...] | env ENGINE | run ENGINE COMMAND... | down"
      exit 2
      ;;
  esac
}

choose_newer() {
  NAME=$1
  [[ " ${ENGINES[*]} " == *" $NAME "* ]] || die "newer.sh: there is no engine '$NAME' (there are ${ENGINES[*]})"
  DATA=$NEWER/$NAME
  RUN_DIR=$LAB_RUN/newer/$NAME
  SOCKET=$RUN_DIR/engine.sock
}

answers() { [[ -S $SOCKET ]] && curl -fsS --max-time 5 --unix-socket "$SOCKET" http://d/_ping >/dev/null 2>&1; }

# ---------------------------------------------------------------- up

up() {
  if ! is_debian || ((EUID != 0)); then
    warn "no $NAME for the tests that use it: it can be started only on Debian, as root"
    return 0
  fi
  choose_engine
  [[ $ENGINE != none ]] || die "no engine answers: scripts/lab.sh up comes first"
  if ! answers; then
    make_tree
    mkdir -p "$DATA" "$RUN_DIR" "$NEWER/tmp"
    if [[ $NAME == podman-5 ]]; then write_program; fi
    start_in_tree "start_${NAME%-*}"
    until_true 60 answers || die "$NAME does not answer; see $NEWER/$NAME.log"
    say "lab: $NAME runs at unix://$SOCKET"
  fi
  case $NAME in
    docker-26) load_into_docker ;;
    podman-5) load_into_podman ;;
  esac
}

# All of the packages and of what they need, unpacked and not installed: what scripts of theirs would do is done below.
make_tree() {
  if [[ -e $TREE/made ]]; then return 0; fi
  local archives=$LAB/apt/$NEWER_SUITE/cache/archives deb name
  rm -rf "$TREE"
  mkdir -p "$TREE"
  get_debs "$NEWER_SUITE" install -y --download-only --no-install-recommends -o Dir::State::status=/dev/null "${PACKAGES[@]}" ||
    die "cannot get ${PACKAGES[*]} of $NEWER_SUITE from this machine's package sources"
  for name in bin sbin lib lib64; do
    mkdir -p "$TREE/usr/$name"
    ln -sfn "usr/$name" "$TREE/$name"
  done
  for deb in "$archives"/*.deb; do
    dpkg-deb -x "$deb" "$TREE"
    rm -f "$deb"
  done
  mkdir -p "$TREE"/{dev,proc,sys,run,tmp,old,root,etc/docker,etc/containers,var/lib,var/tmp}
  ln -sfn /run "$TREE/var/run"
  for name in iptables iptables-save iptables-restore ip6tables ip6tables-save ip6tables-restore; do
    ln -sfn xtables-nft-multi "$TREE/usr/sbin/$name"
  done
  for name in passwd group; do cp "$TREE/usr/share/base-passwd/$name.master" "$TREE/etc/$name"; done
  : >"$TREE/etc/resolv.conf"
  configure
  touch "$TREE/made"
}

configure() {
  printf '{ "features": { "containerd-snapshotter": true } }\n' >"$TREE/etc/docker/daemon.json"
  cat >"$TREE/etc/containers/containers.conf" <<CONF
[containers]
default_ulimits = ["nofile=16384:16384", "nproc=16384:16384"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
CONF
  cat >"$TREE/etc/containers/storage.conf" <<CONF
[storage]
driver = "overlay"
graphroot = "$NEWER/podman-5/storage"
runroot = "/run/containers/storage"
CONF
  cat >"$TREE/etc/containers/registries.conf" <<CONF
unqualified-search-registries = ["docker.io"]
[[registry]]
location = "127.0.0.1"
insecure = true
CONF
}

start_docker() { exec_in_tree dockerd --data-root "$DATA" --host "unix://$SOCKET" --pidfile "$RUN_DIR/dockerd.pid"; }
start_podman() { exec_in_tree podman system service --time=0 "unix://$SOCKET"; }

# start_in_tree FUNCTION: in namespaces and a session of its own.
start_in_tree() {
  export -f start_docker start_podman enter_tree exec_in_tree
  export TREE NEWER DATA LAB_RUN RUN_DIR SOCKET
  (cd / && setsid nohup unshare --mount --net -- bash -euc "enter_tree; $1") >"$NEWER/$NAME.log" 2>&1 </dev/null &
}

# Makes the tree the root. What has to have the same path inside is mounted there.
enter_tree() {
  local dir
  echo $$ >"$RUN_DIR/pid"
  mount --bind "$TREE" "$TREE"
  for dir in dev proc sys; do mount --rbind "/$dir" "$TREE/$dir"; done
  mount -t tmpfs tmpfs "$TREE/run"
  mount -t tmpfs tmpfs "$TREE/tmp"
  for dir in "$NEWER" "$LAB_RUN/newer"; do
    mkdir -p "$TREE$dir"
    mount --bind "$dir" "$TREE$dir"
  done
  cd "$TREE"
  pivot_root . old
}

# exec_in_tree COMMAND...: with nothing left of the machine's files and variables. The shell stays: namespaces are entered through it, since
# Podman's own first thread may end up in the network of a container.
exec_in_tree() {
  # shellcheck disable=SC2016 # the inner shell's
  exec /usr/bin/busybox env -i PATH=/usr/sbin:/usr/bin HOME=/root PODMAN_IGNORE_CGROUPSV1_WARNING=1 \
    busybox sh -ec 'busybox umount -l /old; busybox ip link set lo up; "$@"; exit' sh "$@"
}

# ---------------------------------------------------------------- images

load_into_docker() {
  local image missing=()
  for image in "${LAB_IMAGES[@]}"; do
    if ! DOCKER_HOST=unix://$SOCKET docker image inspect "$image" >/dev/null 2>&1; then missing+=("$image"); fi
  done
  if ((${#missing[@]})); then docker save "${missing[@]}" | DOCKER_HOST=unix://$SOCKET docker load --quiet >/dev/null; fi
}

podman() { "$DATA/bin/podman" "$@"; }

# ---------------------------------------------------------------- env, run

print_env() {
  if ! answers; then return 0; fi
  printf 'export TMPDIR=%q\n' "$NEWER/tmp"
  case $NAME in
    docker-26) printf 'export DOCKER_26_HOST=%q\n' "unix://$SOCKET" ;;
    podman-5) printf 'export PODMAN_5_HOST=%q PODMAN_5=%q\n' "unix://$SOCKET" "$DATA/bin/podman" ;;
  esac
}

run() {
  answers || die "$NAME does not run: test/lab/newer.sh up $NAME"
  eval "$(print_env)"
  exec nsenter --target "$(cat "$RUN_DIR/pid")" --net -- "$@"
}

# A podman for PATH. It has to work in the namespaces of its service: containers' mounts are there alone.
write_program() {
  mkdir -p "$DATA/bin"
  {
    printf '#!/bin/sh\n# Podman, unpacked and set up by test/lab/newer.sh.\n'
    # shellcheck disable=SC2016 # the inner shell's
    printf 'exec nsenter --target "$(cat %q)" --mount --net --wdns=/ -- ' "$RUN_DIR/pid"
    printf '/usr/bin/busybox env -i PATH=/usr/sbin:/usr/bin HOME=/root PODMAN_IGNORE_CGROUPSV1_WARNING=1 podman "$@"\n'
  } >"$DATA/bin/podman"
  chmod 0755 "$DATA/bin/podman"
}

# ---------------------------------------------------------------- down

down() {
  local pid name
  for name in "${ENGINES[@]}"; do
    choose_newer "$name"
    if answers; then remove_containers; fi
  done
  for pid in $(own_pids); do kill -TERM "$pid" 2>/dev/null || true; done
  until_true 10 ended || for pid in $(own_pids); do kill -KILL "$pid" 2>/dev/null || true; done
  until_true 10 ended || die "processes of the newer engines do not end: $(own_pids | tr '\n' ' ')"
  rm -rf "$LAB_RUN/newer" "$NEWER/tmp"
}

remove_containers() {
  local -x DOCKER_HOST=unix://$SOCKET
  docker container ls --all --quiet | xargs -r docker container rm --force --volumes >/dev/null || true
}

# Whatever has the tree as its root, and what runs in containers that it left.
own_pids() {
  local dir
  for dir in /proc/[0-9]*; do
    if [[ $dir/root -ef $TREE ]]; then printf '%s\n' "${dir#/proc/}"; fi
  done
  container_pids "$NEWER/docker-26/containers" "$NEWER/podman-5/storage/overlay-containers"
}

ended() { [[ -z $(own_pids) ]]; }

main "$@"
