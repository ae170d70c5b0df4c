#!/usr/bin/env bash
# Makes the images exist that the example stack (and with --test: the tests) name.
#
#   test/lab/images.sh [--test]   what is there is kept; else pulled, where a registry answers; else a stand-in is built
#   test/lab/images.sh --list     names each image, and whether it is real
#
# A stand-in is the real program from Debian's packages (node: this machine's) with the libraries it needs and a
# busybox, under the public name, labelled compose-rollback.lab=stand-in. Only Grafana, which Debian has not got, is
# a small program that speaks its documented /api/health. Entry points behave as the official images' do as far as
# people lean on them: users and owners, environment variables, signals, volumes.
set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=../../scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
LABEL=compose-rollback.lab=stand-in

FIRST_ANSWER=10 # seconds a registry gets to say that it has the image
PULL_LIMIT=900  # seconds a pull may take in all, once the registry has answered

SCRATCH=
PULLING=

main() {
  local images=("${STACK_IMAGES[@]}") image
  case ${1:-} in
    '') ;;
    --test) images+=("${TEST_IMAGES[@]}") ;;
    --list) ;;
    *) die "images.sh: unknown option $1" ;;
  esac
  choose_engine
  [[ $ENGINE != none ]] || die "no engine answers: scripts/lab.sh up comes first"
  trap clean_up EXIT
  trap 'exit 130' INT TERM
  case ${1:-} in
    --list) list ;;
    *) for image in "${images[@]}"; do ensure_image "$image"; done ;;
  esac
}

clean_up() {
  if [[ -n $PULLING ]]; then kill "$PULLING" 2>/dev/null || true; fi
  if [[ -n $SCRATCH ]]; then rm -rf "$SCRATCH"; fi
}

has_image() { docker image inspect "$1" >/dev/null 2>&1; }

list() {
  local image kind
  for image in "${LAB_IMAGES[@]}"; do
    if ! has_image "$image"; then
      kind=missing
    elif [[ $(docker image inspect --format '{{index .Config.Labels "compose-rollback.lab"}}' "$image") == stand-in ]]; then
      kind=stand-in
    else
      kind=real
    fi
    say "image: $image ($kind)"
  done
}

ensure_image() {
  local image=$1
  if has_image "$image"; then return 0; fi
  if pull "$image"; then
    say "image: $image pulled"
    return 0
  fi
  is_debian || die "image $image is missing: no registry answers, and a stand-in can be built only on Debian"
  have node || die "image $image is missing: no registry answers, and the stand-ins need Node on this machine"
  build_stand_in "$image"
  say "image: $image built as a stand-in (no registry answers)"
}

# ---------------------------------------------------------------- pulling

REGISTRY=unknown # becomes silent after the first failure: one attempt is enough to know

# A registry that cannot be reached may take minutes to say so. The first line that only comes from a registry tells
# the two apart; what answers gets all the time a slow line needs.
pull() {
  local image=$1 log
  [[ $REGISTRY != silent ]] || return 1
  prepare_scratch
  log=$SCRATCH/pull.log
  : >"$log"
  docker pull "$image" >"$log" 2>&1 </dev/null &
  PULLING=$!
  if until_true "$FIRST_ANSWER" pull_answered "$log" && grep -q 'Pulling from' "$log" &&
    until_true "$PULL_LIMIT" pull_ended && wait "$PULLING"; then
    PULLING=
    return 0
  fi
  kill "$PULLING" 2>/dev/null || true
  wait "$PULLING" 2>/dev/null || true
  PULLING=
  REGISTRY=silent
  return 1
}

pull_ended() { ! kill -0 "$PULLING" 2>/dev/null; }
pull_answered() { grep -q 'Pulling from' "$1" || pull_ended; }

# ---------------------------------------------------------------- stand-ins

prepare_scratch() {
  if [[ -z $SCRATCH ]]; then SCRATCH=$(mktemp -d "${TMPDIR:-/tmp}/compose-rollback-images.XXXXXX"); fi
}

build_stand_in() {
  prepare_scratch
  ROOT=$SCRATCH/root
  rm -rf "$ROOT"
  OWNED=()
  base_system
  case $1 in
    redis:*) redis_image "$1" ;;
    prom/prometheus:*) prometheus_image "$1" ;;
    grafana/grafana:*) grafana_image "$1" ;;
    node:*) node_image "$1" ;;
    postgres:*) postgres_image "$1" ;;
    busybox:*) import "$1" 'CMD ["sh"]' ;;
    *) die "no stand-in is known for $1" ;;
  esac
  rm -rf "$ROOT"
}

# What every image has: a merged-usr tree, busybox, users, name resolution.
base_system() {
  local dir busybox library
  for dir in bin sbin lib lib64; do
    mkdir -p "$ROOT/usr/$dir"
    ln -s "usr/$dir" "$ROOT/$dir"
  done
  mkdir -p "$ROOT"/{dev,proc,sys,etc,root,home,run,tmp,usr/local/bin,var/lib,var/tmp,var/log}
  ln -s ../run "$ROOT/var/run"
  chmod 1777 "$ROOT/tmp" "$ROOT/var/tmp"
  busybox=$(need_file busybox-static bin/busybox usr/bin/busybox)
  install -m 0755 "$busybox" "$ROOT/bin/busybox"
  # Links only for what a container has use for: "postgres" or "rpm" of busybox would only mislead.
  "$busybox" --list | while IFS= read -r dir; do
    case $dir in
      busybox | dpkg | dpkg-deb | rpm | rpm2cpio | init | linuxrc) ;;
      *) ln -s busybox "$ROOT/bin/$dir" ;;
    esac
  done
  printf '%s\n' root:x:0:0:root:/root:/bin/sh nobody:x:65534:65534:nobody:/nonexistent:/bin/false >"$ROOT/etc/passwd"
  printf '%s\n' root:x:0: nobody:x:65534: >"$ROOT/etc/group"
  printf '%s\n' 'passwd: files' 'group: files' 'hosts: files dns' 'services: files' 'protocols: files' \
    >"$ROOT/etc/nsswitch.conf"
  # getaddrinfo loads these by name at run time, so ldd does not list them. (Newer libc has them inside.)
  for library in libnss_files.so.2 libnss_dns.so.2 libresolv.so.2; do
    for dir in /lib/*-linux-gnu*; do
      if [[ -e $dir/$library ]]; then add_library "$dir/$library"; fi
    done
  done
}

add_user() { # NAME UID GID HOME
  printf '%s:x:%s:%s:%s:%s:/bin/sh\n' "$1" "$2" "$3" "$1" "$4" >>"$ROOT/etc/passwd"
  printf '%s:x:%s:\n' "$1" "$3" >>"$ROOT/etc/group"
}

# Directories that belong to somebody else than root, kept as data for the archive: no root is needed to build one.
add_owned() { # DIRECTORY UID GID [MODE]
  mkdir -p "$ROOT/$1"
  if [[ -n ${4:-} ]]; then chmod "$4" "$ROOT/$1"; fi
  OWNED+=("$1 $2 $3")
}

add_library() {
  local target
  target=$ROOT/usr/lib/$(basename "$(dirname "$(libc_path)")")/$(basename "$1")
  if [[ ! -e $target ]]; then
    mkdir -p "$(dirname "$target")"
    install -m 0755 "$1" "$target"
  fi
}

libc_path() { ldd "$(command -v node)" /bin/ls 2>/dev/null | awk '$1 == "libc.so.6" { print $3; exit }'; }

# add_libraries_of FILE...: what ldd says, the dynamic loader at its own absolute place.
add_libraries_of() {
  local library
  LD_LIBRARY_PATH=$(lab_library_path) ldd "$@" 2>/dev/null |
    awk '$2 == "=>" && $3 ~ /^\// { print $3 } $1 ~ /^\/lib.*ld-/ { print "loader", $1 }' | sort -u |
    while read -r library loader; do
      if [[ $library == loader ]]; then
        if [[ ! -e $ROOT$loader ]]; then install -D -m 0755 "$loader" "$ROOT$loader"; fi
      else
        add_library "$library"
      fi
    done
}

add_program() { # SOURCE TARGET
  install -D -m 0755 "$1" "$ROOT/$2"
  add_libraries_of "$1"
}

add_script() { install -D -m 0755 "$HERE/stand-in/$1" "$ROOT/$2"; }

# Entry points drop from root to the service's user, as the official images' do.
add_setpriv() {
  rm -f "$ROOT/bin/setpriv"
  add_program "$(need_file util-linux usr/bin/setpriv bin/setpriv)" usr/bin/setpriv
}

# import NAME INSTRUCTION...: root owns everything but what add_owned named.
import() {
  local image=$1 archive=$SCRATCH/root.tar entry dir uid gid changes=() excludes=()
  shift
  for entry in "LABEL $LABEL" 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' "$@"; do
    changes+=(--change "$entry")
  done
  for entry in ${OWNED[@]+"${OWNED[@]}"}; do excludes+=("--exclude=./${entry%% *}"); done
  tar -C "$ROOT" -cf "$archive" --numeric-owner --owner=0 --group=0 ${excludes[@]+"${excludes[@]}"} .
  for entry in ${OWNED[@]+"${OWNED[@]}"}; do
    read -r dir uid gid <<<"$entry"
    tar -C "$ROOT" -rf "$archive" --numeric-owner --owner="$uid" --group="$gid" "./$dir"
  done
  quiet "importing the stand-in $image" docker import "${changes[@]}" "$archive" "$image" || die "cannot build $image"
  rm -f "$archive"
}

redis_image() {
  local program
  for program in redis-server redis-cli redis-benchmark redis-check-aof redis-check-rdb; do
    add_program "$(need_file 'redis-server redis-tools' "usr/bin/$program")" "usr/local/bin/$program"
  done
  add_setpriv
  add_user redis 999 1000 /data
  add_owned data 999 1000
  add_script redis-entrypoint.sh usr/local/bin/docker-entrypoint.sh
  import "$1" 'ENTRYPOINT ["docker-entrypoint.sh"]' 'CMD ["redis-server"]' 'WORKDIR /data' 'VOLUME /data' 'EXPOSE 6379'
}

prometheus_image() {
  add_program "$(need_file prometheus usr/bin/prometheus)" usr/bin/prometheus
  add_program "$(need_file prometheus usr/bin/promtool)" usr/bin/promtool
  mkdir -p "$ROOT/etc/prometheus"
  install -m 0644 "$HERE/stand-in/prometheus.yml" "$ROOT/etc/prometheus/prometheus.yml"
  add_owned prometheus 65534 65534
  import "$1" 'USER nobody' 'WORKDIR /prometheus' 'VOLUME /prometheus' 'EXPOSE 9090' 'ENTRYPOINT ["/bin/prometheus"]' \
    'CMD ["--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"]'
}

add_node() {
  add_program "$(node -p process.execPath)" usr/local/bin/node
}

node_image() {
  add_node
  add_user node 1000 1000 /home/node
  add_owned home/node 1000 1000
  add_script node-entrypoint.sh usr/local/bin/docker-entrypoint.sh
  import "$1" 'ENTRYPOINT ["docker-entrypoint.sh"]' 'CMD ["node"]' "ENV NODE_VERSION=$(node -p process.versions.node)"
}

grafana_image() {
  add_node
  add_user grafana 472 0 /home/grafana
  add_owned var/lib/grafana 472 0 0777
  install -D -m 0644 "$HERE/stand-in/grafana.cjs" "$ROOT/usr/share/grafana/server.cjs"
  printf '#!/bin/sh\nexec node /usr/share/grafana/server.cjs "$@"\n' >"$ROOT/run.sh"
  chmod 0755 "$ROOT/run.sh"
  import "$1" 'USER 472' 'WORKDIR /usr/share/grafana' 'EXPOSE 3000' 'ENTRYPOINT ["/run.sh"]' \
    'ENV GF_PATHS_DATA=/var/lib/grafana'
}

# Debian's PostgreSQL finds its shared files relative to its own place: the tree keeps Debian's paths.
postgres_image() {
  local server home version name
  server=$(need_file postgresql 'usr/lib/postgresql/*/bin/postgres')
  home=${server%/bin/postgres}
  version=$(basename "$home")
  mkdir -p "$ROOT/usr/lib/postgresql/$version" "$ROOT/usr/share/postgresql"
  cp -RL "$home/bin" "$ROOT/usr/lib/postgresql/$version/bin"
  mkdir -p "$ROOT/usr/lib/postgresql/$version/lib"
  cp -L "$home"/lib/*.so "$ROOT/usr/lib/postgresql/$version/lib/"
  # Just-in-time compilation alone would bring a whole compiler along.
  rm -f "$ROOT/usr/lib/postgresql/$version/lib"/llvmjit*.so
  cp -RL "${home%/lib/postgresql/*}/share/postgresql/$version" "$ROOT/usr/share/postgresql/$version"
  add_libraries_of "$ROOT/usr/lib/postgresql/$version"/{bin/*,lib/*.so}
  for name in "$ROOT/usr/lib/postgresql/$version/bin"/*; do
    ln -s "/usr/lib/postgresql/$version/bin/$(basename "$name")" "$ROOT/usr/local/bin/"
  done
  for name in UTC GMT Etc/UTC; do
    if [[ -e /usr/share/zoneinfo/$name ]]; then
      install -D -m 0644 "/usr/share/zoneinfo/$name" "$ROOT/usr/share/zoneinfo/$name"
    fi
  done
  mkdir -p "$ROOT/usr/share/zoneinfo"
  add_setpriv
  add_user postgres 70 70 /var/lib/postgresql
  add_owned var/lib/postgresql 70 70
  mkdir -p "$ROOT/var/lib/postgresql/data" "$ROOT/docker-entrypoint-initdb.d"
  chmod 0700 "$ROOT/var/lib/postgresql/data"
  add_owned run/postgresql 70 70 3777
  add_script postgres-entrypoint.sh usr/local/bin/docker-entrypoint.sh
  import "$1" 'ENTRYPOINT ["docker-entrypoint.sh"]' 'CMD ["postgres"]' 'VOLUME /var/lib/postgresql/data' 'EXPOSE 5432' \
    'ENV PGDATA=/var/lib/postgresql/data'
  # The image's stop signal asks for a fast shutdown (the default one waits for clients); import cannot set it.
  printf 'FROM %s\nSTOPSIGNAL SIGINT\n' "$1" >"$SCRATCH/Dockerfile"
  quiet "finishing $1" docker_build -t "$1" -f "$SCRATCH/Dockerfile" "$HERE/stand-in" || die "cannot build $1"
}

main "$@"
