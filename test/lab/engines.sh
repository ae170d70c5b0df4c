#!/usr/bin/env bash
# Engines beside the lab's Docker, for the tests: today's Podman, and samples of older engines.
#
#   test/lab/engines.sh up NAME...          start them, with the images that the tests name, as the lab's Docker has them
#   test/lab/engines.sh env NAME            print what to eval to use it; nothing when it does not run
#   test/lab/engines.sh run NAME COMMAND... run a command on it, as its user and in its network
#   test/lab/engines.sh version NAME        print the engine and its version
#   test/lab/engines.sh down [NAME...]      remove the containers of these, or of all, and end them
#
#   podman, podman-rootless      the newest Podman, with podman-compose
#   docker-20                    Docker 20.10 with compose 2.26: the oldest supported
#   docker-26, docker-26-classic Docker 26.1 with the containerd image store, and with the classic one
#   podman-4, podman-5           Podman 4.3 and 5.4
#
# Samples run in network and mount namespaces of their own: two engines with one set of bridges and rules would take them
# from each other. Their files have the same paths inside and outside.
set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=../../scripts/engines.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/engines.sh"

NAMES=(podman podman-rootless docker-20 docker-26 docker-26-classic podman-4 podman-5)
NEWEST_PODMAN=5.8
OLDEST=bookworm # the Debian suites of the samples
MIDDLE=trixie
LAB_USER=compose-rollback-lab
FIRST_SUB_ID=1000000
DNS_RECORDS=/run/containers/networks/aardvark-dns

main() {
  local command=${1:-} name
  if (($#)); then shift; fi
  case $command in
    up)
      for name in "$@"; do
        choose "$name"
        up
      done
      ;;
    env | version)
      choose "${1:-}"
      "print_$command"
      ;;
    run)
      choose "${1:-}"
      shift
      run "$@"
      ;;
    down)
      if ((!$#)); then set -- "${NAMES[@]}"; fi
      for name in "$@"; do
        choose "$name"
        down
      done
      ;;
    *)
      say "usage: test/lab/engines.sh up NAME... | env NAME | run NAME COMMAND... | version NAME | down [NAME...]"
      exit 2
      ;;
  esac
}

# choose NAME: sets what is known of an engine before it starts.
choose() {
  NAME=$1
  KIND=${NAME%%-*}
  SUITES=("$OLDEST")
  APART=yes
  OWNER=
  CONTAINERD=false
  HOME_DIR=$LAB/engines/$NAME
  RUN_DIR=$LAB_RUN/$NAME
  case $NAME in
    podman)
      SUITES=("${ENGINE_SUITES[@]}")
      APART=no
      ;;
    podman-rootless)
      SUITES=("${ENGINE_SUITES[@]}")
      APART=no
      OWNER=$LAB_USER
      RUN_DIR=$LAB_RUN/rootless # Podman refuses to end containers when this path has more than 50 characters
      ;;
    docker-20 | podman-4) ;;
    docker-26)
      SUITES=("$MIDDLE")
      CONTAINERD=true
      ;;
    docker-26-classic | podman-5) SUITES=("$MIDDLE") ;;
    *) die "engines.sh: there is no engine '$NAME' (there are ${NAMES[*]})" ;;
  esac
  AS_OWNER=()
  if [[ -n $OWNER ]]; then
    # As in a session that a login gives.
    AS_OWNER=(
      env "XDG_RUNTIME_DIR=$RUN_DIR" "HOME=$HOME_DIR/home" "USER=$OWNER"
      setpriv --reuid "$OWNER" --regid "$OWNER" --init-groups --
    )
  fi
  # Not podman.sock: the name of a socket says nothing, and the tests should not depend on it.
  SOCKET=$RUN_DIR/engine.sock
  PROGRAM=$HOME_DIR/bin/podman
}

answers() { [[ -S $SOCKET ]] && curl -fsS --max-time 5 --unix-socket "$SOCKET" http://d/_ping >/dev/null 2>&1; }

# ---------------------------------------------------------------- up

up() {
  if answers; then return 0; fi
  if ! is_debian || ((EUID != 0)); then
    warn "no $NAME for the tests that use it: it can be started only on Debian, as root"
    return 0
  fi
  choose_engine
  [[ $ENGINE != none ]] || die "no engine answers: scripts/lab.sh up comes first"
  mkdir -p "$HOME_DIR" "$RUN_DIR"
  ENGINE_SUITES=("${SUITES[@]}")
  first_suite "$KIND" "start_$KIND" || die "$NAME cannot run on this machine"
  say "lab: $(print_version) of Debian's suite '$SUITE' runs at unix://$SOCKET"
}

# launch COMMAND...: starts the daemon and waits until it answers; shows the end of its log when it does not.
launch() {
  local pid busybox
  if [[ $APART == yes ]]; then
    busybox=$(need_file busybox-static bin/busybox usr/bin/busybox) || return 1
    # The shell stays and keeps the namespaces: Podman's own first thread may end up in the network of a container.
    mkdir -p "$DNS_RECORDS"
    # Podman's path for what its DNS server answers is the same for each Podman that root runs.
    # shellcheck disable=SC2016 # the inner shell's
    set -- unshare --mount --net --propagation slave -- \
      sh -c 'echo $$ >"$0/namespaces.pid" && "$1" mount -t tmpfs tmpfs "$2" && "$1" ip link set lo up && shift 2 && "$@"; exit' \
      "$RUN_DIR" "$busybox" "$DNS_RECORDS" "$@"
  fi
  pid=$(detach "$HOME_DIR/engine.log" ${AS_OWNER[@]+"${AS_OWNER[@]}"} "$@")
  until_true 60 answers_or_ended "$pid" || true
  if answers; then return 0; fi
  say "$NAME does not answer; the last lines of $HOME_DIR/engine.log:"
  tail -n 15 "$HOME_DIR/engine.log" | sed 's/^/  | /' >&2
  end_processes own_pids || true
  return 1
}

answers_or_ended() { answers || ! alive "$1"; }

# inside COMMAND...: runs a command in the namespaces of the engine, as its user.
inside() {
  if [[ $APART == yes ]]; then
    set -- nsenter --target "$(cat "$RUN_DIR/namespaces.pid")" --mount --net --wdns="$PWD" -- "$@"
  fi
  ${AS_OWNER[@]+"${AS_OWNER[@]}"} "$@"
}

# ---------------------------------------------------------------- Docker

start_docker() {
  local suite=$1 tree command=() word
  make_docker_tree "$suite" || return 1
  tree=$(engine_tree docker "$suite")
  link_plugins "$HOME_DIR/config" "$MIDDLE" || return 1
  mkdir -p "$HOME_DIR/data" || return 1
  daemon_settings "$CONTAINERD" >"$HOME_DIR/daemon.json"
  while IFS= read -r word; do command+=("$word"); done < <(dockerd_command "$HOME_DIR/daemon.json" "$HOME_DIR/data" "$RUN_DIR" "unix://$SOCKET")
  with_tree "$tree" launch "${command[@]}" || return 1
  load_into_docker
}

load_into_docker() {
  local image missing=()
  for image in "${LAB_IMAGES[@]}"; do
    if ! DOCKER_HOST=unix://$SOCKET docker image inspect "$image" >/dev/null 2>&1; then missing+=("$image"); fi
  done
  if ((${#missing[@]})); then docker save "${missing[@]}" | DOCKER_HOST=unix://$SOCKET docker load --quiet >/dev/null; fi
}

# ---------------------------------------------------------------- Podman

podman() { (cd / && inside "$PROGRAM" "$@"); }

start_podman() {
  local suite=$1 tree
  make_podman_tree "$suite" || return 1
  tree=$(engine_tree podman "$suite")
  mkdir -p "$HOME_DIR"/{bin,networks,no-packages,home/.config/containers} || return 1
  configure_podman "$tree"
  write_podman "$tree"
  ln -sfn "$tree/usr/sbin/nft" "$HOME_DIR/bin/nft" # `migrate validate` looks for it on the PATH
  write_podman_compose "$suite" || return 1
  if [[ $APART == yes ]]; then link_plugins "$HOME_DIR/config" "$MIDDLE" || return 1; fi
  if [[ -n $OWNER ]]; then prepare_user; fi
  if [[ $APART == no && -z $OWNER ]]; then remove_dns_records; fi
  launch "$PROGRAM" system service --time=0 "unix://$SOCKET" || return 1
  load_into_podman
  if [[ $APART == no ]]; then accept_podman_bridges "$tree"; fi
  if [[ $APART == no ]]; then warn_if_older Podman "$(podman version --format '{{.Client.Version}}')" "$NEWEST_PODMAN"; fi
}

# Containers that were killed together with Podman leave their records, and a DNS server that reads them: the next one ends at once,
# because it cannot listen at the address of a bridge that is gone. A server of a Podman that is not the lab's is left alone.
remove_dns_records() {
  local pid program
  pid=$(cat "$DNS_RECORDS/aardvark.pid" 2>/dev/null) || pid=none
  program=$(readlink "/proc/$pid/exe" 2>/dev/null) || program=
  case $program in
    "$LAB"/*) kill "$pid" || true ;;
    */aardvark-dns*) return 0 ;;
  esac
  rm -rf "$DNS_RECORDS"
}

# Docker 28 drops what goes over bridges that it does not know, also from container to container of one network, and nothing in netavark's
# own table can overrule that.
accept_podman_bridges() {
  local rule=(DOCKER-USER -i podman+ -o podman+ -j ACCEPT)
  with_tree "$1" iptables -w -C "${rule[@]}" 2>/dev/null ||
    with_tree "$1" iptables -w -I "${rule[@]}" 2>/dev/null ||
    true # there is no Docker here
}

# Everything is named here: no file of the machine's is read, and none is written.
configure_podman() {
  local tree=$1
  # Measured, 4.3.1: its API exchanges soft and hard limits, so they are the same here. Measured: crun (1.8 and 1.28) refuses
  # hybrid control groups. conmon runs the clean-up of ended containers, with these variables alone.
  cat >"$HOME_DIR/containers.conf" <<CONF
[containers]
default_ulimits = ["nofile=16384:16384", "nproc=16384:16384"]
seccomp_profile = "$tree/usr/share/containers/seccomp.json"
[network]
network_backend = "netavark"
$(if [[ -z $OWNER ]]; then printf 'network_config_dir = "%s"' "$HOME_DIR/networks"; fi)
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
conmon_path = ["$tree/usr/bin/conmon"]
conmon_env_vars = ["PATH=$(tree_path "$tree"):$PATH:/usr/sbin:/sbin", "XTABLES_LIBDIR=$(tree_xtables "$tree")"]
helper_binaries_dir = ["$tree/usr/lib/podman", "$tree/usr/libexec/podman", "$tree/usr/bin"]
init_path = "$tree/usr/bin/catatonit"
tmp_dir = "$RUN_DIR/libpod"
[engine.runtimes]
runc = ["$tree/usr/sbin/runc"]
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

# A podman for PATH: with the configuration above, and the paths on which Podman and its helpers find each other.
write_podman() {
  {
    printf '#!/bin/sh\n# Podman, unpacked and set up by test/lab/engines.sh.\n'
    printf 'unset DOCKER_HOST DOCKER_CONFIG\n'
    printf 'export HOME=%q CONTAINERS_CONF=%q\n' "$HOME_DIR/home" "$HOME_DIR/containers.conf"
    printf 'export CONTAINERS_STORAGE_CONF=%q CONTAINERS_REGISTRIES_CONF=%q\n' "$HOME_DIR/storage.conf" "$HOME_DIR/registries.conf"
    # shellcheck disable=SC2016 # the PATH of the caller
    printf 'export PATH=%q:"$PATH":/usr/sbin:/sbin XTABLES_LIBDIR=%q\n' "$(tree_path "$1")" "$(tree_xtables "$1")"
    # Measured, 4.3.1: each question about the engine asks dpkg which packages its helpers are from, 50 of its 55 ms.
    printf 'export DPKG_ADMINDIR=%q PODMAN_IGNORE_CGROUPSV1_WARNING=1\n' "$HOME_DIR/no-packages"
    printf 'exec %q "$@"\n' "$1/usr/bin/podman"
  } >"$PROGRAM"
  chmod 0755 "$PROGRAM"
}

# write_podman_compose SUITE: a Python program runs without being installed when it knows where its modules are.
write_podman_compose() {
  local suite=$1 root modules=usr/lib/python3/dist-packages name
  root=$LAB/trees/podman-compose-$suite
  need_file 'python3 python3-yaml' "$modules/yaml/__init__.py" >/dev/null || return 1
  if [[ ! -e $root/usr/bin/podman-compose ]]; then
    get_debs "$suite" download podman-compose python3-dotenv || return 1
    for name in podman-compose python3-dotenv; do
      dpkg-deb -x "$LAB/apt/$suite/${name}"_*.deb "$root" || return 1
      rm "$LAB/apt/$suite/${name}"_*.deb
    done
  fi
  {
    printf '#!/bin/sh\n# podman-compose, unpacked by test/lab/engines.sh.\n'
    printf 'export PYTHONPATH=%q PYTHONDONTWRITEBYTECODE=1\n' "$root/$modules:$LAB_ROOT/$modules"
    printf 'exec %q %q "$@"\n' "$(need_file python3 usr/bin/python3)" "$root/usr/bin/podman-compose"
  } >"$HOME_DIR/bin/podman-compose"
  chmod 0755 "$HOME_DIR/bin/podman-compose"
}

# Loads the images under the names that they have in the engine that runs.
load_into_podman() {
  local id image long
  for image in "${LAB_IMAGES[@]}"; do
    long=docker.io/$(long_name "$image")
    if podman image exists "$long"; then continue; fi
    # Podman 4.3 takes the short name of an archive for localhost's, later ones for docker.io's.
    docker save "$image" | podman load --quiet >/dev/null
    if podman image exists "$long"; then continue; fi
    id=$(podman image inspect --format '{{.Id}}' "localhost/$image")
    podman tag "$id" "$long"
    podman untag "$id" "localhost/$image"
  done
}

long_name() { case $1 in */*) printf '%s\n' "$1" ;; *) printf 'library/%s\n' "$1" ;; esac; }

# Creates a user without root, with subordinate ids, and gives the machine what user namespaces need.
prepare_user() {
  local kind
  id "$OWNER" >/dev/null 2>&1 || useradd --system --no-create-home --home-dir "$HOME_DIR/home" --shell /bin/sh "$OWNER"
  for kind in uid gid; do
    if ! grep -q "^$OWNER:" "/etc/sub$kind" 2>/dev/null; then
      printf '%s:%d:65536\n' "$OWNER" "$FIRST_SUB_ID" >>"/etc/sub$kind"
    fi
  done
  [[ -e $LAB/tun.before ]] || stat -c %a /dev/net/tun >"$LAB/tun.before"
  chmod 0666 /dev/net/tun
  # Measured, 4.3.1: without this directory it mounts over all of /var/lib, and the lab is gone.
  mkdir -p /var/lib/cni
  # Images and containers under .local have owners of their own.
  find "$HOME_DIR" "$RUN_DIR" \( -path "$HOME_DIR/home/.local" -o -path "$HOME_DIR/storage" \) -prune -o \
    -exec chown --no-dereference "$OWNER:$OWNER" {} +
  chmod 0700 "$RUN_DIR"
  # Members of the group docker may use Docker: they move their stacks away from there.
  if [[ -S $LAB_SOCKET ]]; then chgrp "$OWNER" "$LAB_SOCKET"; fi
}

remove_user() {
  local kind
  if ! id "$LAB_USER" >/dev/null 2>&1; then return 0; fi
  userdel "$LAB_USER"
  for kind in uid gid; do sed -i "/^$LAB_USER:/d" "/etc/sub$kind"; done
  if [[ -r $LAB/tun.before ]]; then chmod "$(cat "$LAB/tun.before")" /dev/net/tun; fi
  rm -f "$LAB/tun.before"
  rmdir --ignore-fail-on-non-empty /var/lib/cni
}

# ---------------------------------------------------------------- env, run, version

print_env() {
  if ! answers; then return 0; fi
  case $KIND in
    docker) printf 'export DOCKER_HOST=%q\n' "unix://$SOCKET" ;;
    podman)
      printf 'export PODMAN_HOST=%q PODMAN=%q PODMAN_COMPOSE=%q\n' "unix://$SOCKET" "$PROGRAM" "$HOME_DIR/bin/podman-compose"
      ;;
  esac
  if [[ $APART == yes ]]; then printf 'export DOCKER_CONFIG=%q DOCKER_BUILDKIT=0\n' "$HOME_DIR/config"; fi
}

run() {
  answers || die "$NAME does not run: test/lab/engines.sh up $NAME"
  eval "$(print_env)"
  inside "$@"
}

print_version() {
  if ! answers; then return 0; fi
  local compose
  choose_engine
  eval "$(print_env)"
  compose="docker compose $(docker compose version --short 2>/dev/null || printf 'missing')"
  case $KIND in
    docker) printf 'Docker %s, %s\n' "$(docker version --format '{{.Server.Version}}')" "$compose" ;;
    podman)
      printf 'Podman %s, %s, %s\n' "$(podman version --format '{{.Client.Version}}')" "$compose" \
        "$(PATH=$HOME_DIR/bin:$PATH inside "$PODMAN_COMPOSE" --version 2>/dev/null | grep -o 'podman-compose.* version.*')"
      ;;
  esac
}

# ---------------------------------------------------------------- down

down() {
  if [[ ! -d $HOME_DIR ]]; then return 0; fi
  if answers; then remove_containers; fi
  end_processes own_pids || die "$NAME does not end"
  if [[ -n $OWNER ]]; then remove_user; fi
  if [[ $NAME == podman ]]; then
    remove_rules
    remove_dns_records
  fi
  umount "$HOME_DIR/storage/overlay" 2>/dev/null || true
  rm -rf "$RUN_DIR"
}

remove_containers() {
  case $KIND in
    docker) DOCKER_HOST=unix://$SOCKET docker container ls --all --quiet | DOCKER_HOST=unix://$SOCKET xargs -r docker container rm --force --volumes >/dev/null || true ;;
    podman)
      podman rm --force --all --time 1 >/dev/null 2>&1 || true
      podman network prune --force >/dev/null 2>&1 || true
      podman volume prune --force >/dev/null 2>&1 || true
      ;;
  esac
}

# Podman never takes its own rules away, and containers that were killed leave theirs.
remove_rules() {
  local tree table rule
  for tree in "$LAB"/trees/podman-*; do
    if [[ ! -d $tree/path ]]; then continue; fi
    with_tree "$tree" nft delete table inet netavark 2>/dev/null || true
    with_tree "$tree" iptables -w -D DOCKER-USER -i podman+ -o podman+ -j ACCEPT 2>/dev/null || true
    for table in filter nat; do
      { with_tree "$tree" iptables -w -t "$table" -S 2>/dev/null | grep -E -- '^-A (FORWARD|PREROUTING|OUTPUT|POSTROUTING) .*NETAVARK' || true; } |
        sed 's/^-A/-D/' | while IFS= read -r rule; do
        with_tree "$tree" xargs -r iptables -w -t "$table" <<<"$rule" 2>/dev/null || true # its words may be quoted
      done
      for rule in -F -X; do
        { with_tree "$tree" iptables -w -t "$table" -S 2>/dev/null || true; } | awk '$1 == "-N" && $2 ~ /^NETAVARK/ { print $2 }' |
          while IFS= read -r chain; do with_tree "$tree" iptables -w -t "$table" "$rule" "$chain" 2>/dev/null || true; done
      done
    done
    return 0
  done
}

own_pids() {
  engine_pids "$HOME_DIR" "$RUN_DIR"
  if [[ -n $OWNER ]]; then pgrep -u "$OWNER" --runstates RSDTtI || true; fi
}

main "$@"
