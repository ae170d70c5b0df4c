# shellcheck shell=bash
# Debian packages beside the system: downloaded from this machine's own archive, of its own suite or another one, and unpacked.
# Nothing is installed: no service starts, no user is created and no file of the machine changes. Sourced by lib.sh.

is_debian() { [[ -r /etc/os-release ]] && grep -qx 'ID=debian' /etc/os-release && have apt-get && have dpkg; }

# apt_lab SUITE PROGRAM ARGUMENT...: runs apt-get or apt-cache with lists, cache and (for a suite other than `own`) sources
# of the lab's, so that the machine's package state stays as it is.
apt_lab() {
  local suite=$1 program=$2 dir=$LAB/apt/$1
  shift 2
  mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial" "$dir/none"
  local options=(
    -o "Dir::State::lists=$dir/lists" -o "Dir::Cache=$dir/cache" -o Debug::NoLocking=1
    -o APT::Sandbox::User=root -o Acquire::Retries=3 -o Acquire::http::Timeout=20 -o Acquire::Languages=none
    -o Acquire::GzipIndexes=true -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache=
    -o APT::Update::Post-Invoke= -o APT::Update::Post-Invoke-Success=
  )
  if [[ $suite != own ]]; then
    derive_sources "$suite" >"$dir/sources.list"
    options+=(
      -o "Dir::Etc::sourcelist=$dir/sources.list" -o Dir::Etc::sourceparts=-
      -o Dir::Etc::preferences=/dev/null -o "Dir::Etc::preferencesparts=$dir/none"
    )
  fi
  if [[ ! -e $dir/updated ]]; then
    # One broken source of the machine's must not end the run: the download decides whether a package can be had.
    DEBIAN_FRONTEND=noninteractive apt-get "${options[@]}" -qq update || true
    touch "$dir/updated"
  fi
  (cd "$dir" && DEBIAN_FRONTEND=noninteractive "$program" "${options[@]}" "$@")
}

# get_debs SUITE ARGUMENT...: runs apt-get quietly; tries once more with fresh lists, since the lists may be outdated.
get_debs() {
  local suite=$1
  shift
  if apt_lab "$suite" apt-get "$@" >/dev/null 2>&1 </dev/null; then return 0; fi
  rm -f "$LAB/apt/$suite/updated"
  quiet "getting packages from Debian $suite (apt-get $*)" apt_lab "$suite" apt-get "$@"
}

# derive_sources SUITE: prints the sources of this machine's own Debian archive for another suite.
derive_sources() {
  local suite=$1 own
  own=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")
  [[ -n $own ]] || return 0
  local files=()
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
    if [[ -r $file ]]; then files+=("$file"); fi
  done
  # One-line entries: deb [options] URI SUITE component...; stanzas: URIs, Suites, Signed-By.
  awk -v own="$own" -v suite="$suite" '
    function stanza() {
      if (enabled && uri != "" && index(" " suites " ", " " own " "))
        print "deb " (key != "" ? "[signed-by=" key "] " : "") uri " " suite " main"
      uri = suites = key = ""; enabled = 1
    }
    FNR == 1 { stanza() }
    /^[ \t]*#/ { next }
    /^[ \t]*$/ { stanza(); next }
    $1 == "deb" { line = $0; if (sub(" " own " .*", " " suite " main", line)) print line; next }
    tolower($1) == "uris:" { uri = $2 }
    tolower($1) == "suites:" { suites = $0; sub(/^[^:]*:/, "", suites) }
    tolower($1) == "signed-by:" && $2 ~ /^\// { key = $2 }
    tolower($1) == "enabled:" && tolower($2) == "no" { enabled = 0 }
    BEGIN { enabled = 1 }
    END { stanza() }
  ' "${files[@]}" | sort -u
}

# ---------------------------------------------------------------- single programs of this machine's own suite

# unpack_debs PACKAGE...: unpacks the packages, and those of their dependencies that the machine lacks, under $LAB_ROOT.
unpack_debs() {
  is_debian || die "cannot get $*: this machine is not Debian"
  get_debs own install -y --download-only --no-install-recommends --no-upgrade "$@" ||
    die "cannot get $* from this machine's package sources"
  mkdir -p "$LAB_ROOT"
  unpack_downloaded own "$LAB_ROOT"
}

# lab_file PATTERN...: prints the first file that exists, unpacked or the machine's; patterns have no leading slash.
lab_file() {
  local pattern path
  for pattern in "$@"; do
    # shellcheck disable=SC2231 # patterns are meant to expand; the lab's own path is quoted
    for path in "$LAB_ROOT"/$pattern /$pattern; do
      if [[ -e $path ]]; then
        printf '%s\n' "$path"
        return 0
      fi
    done
  done
  return 1
}

# need_file PACKAGES PATTERN...: as lab_file; unpacks the packages first when no pattern fits.
need_file() {
  local packages=$1
  shift
  if ! lab_file "$@"; then
    # shellcheck disable=SC2086 # a list of package names
    unpack_debs $packages
    lab_file "$@" || die "the packages $packages brought no $*"
  fi
}

# Where programs under $LAB_ROOT find their unpacked libraries.
lab_library_path() {
  local triplet
  triplet=$(cd /usr/lib && printf '%s\n' *-linux-gnu* | head -n 1)
  printf '%s\n' "$LAB_ROOT/usr/lib/$triplet:$LAB_ROOT/lib/$triplet"
}

# ---------------------------------------------------------------- trees of any suite

# make_tree TREE SUITE PACKAGE...: unpacks the packages with everything that they depend on, the C library included, and
# patches their programs to load those libraries. They then run from their place, beside the machine's own programs, in its
# namespaces and on its files. Packages that the suite does not have are left out.
make_tree() {
  local tree=$1 suite=$2 packages=() name
  shift 2
  if [[ -e $tree/.complete ]]; then return 0; fi
  while IFS= read -r name; do packages+=("$name"); done < <(known_packages "$suite" "$@")
  if ((${#packages[@]} == 0)); then
    warn "Debian's suite '$suite' cannot be reached, or has none of $*"
    return 1
  fi
  get_debs "$suite" install -y --download-only --no-install-recommends -o Dir::State::status=/dev/null "${packages[@]}" ||
    return 1
  rm -rf "$tree"
  for name in bin sbin lib lib64; do
    mkdir -p "$tree/usr/$name"
    ln -sfn "usr/$name" "$tree/$name"
  done
  unpack_downloaded "$suite" "$tree" || return 1
  patch_programs "$tree" || return 1
  touch "$tree/.complete"
}

known_packages() {
  local suite=$1
  shift
  apt_lab "$suite" apt-cache show --no-all-versions "$@" 2>/dev/null | sed -n 's/^Package: //p'
}

unpack_downloaded() {
  # shellcheck disable=SC2016 # the inner shell's
  find "$LAB/apt/$1/cache/archives" -maxdepth 1 -name '*.deb' -print0 |
    xargs -0 -r -n 1 -P 2 sh -c 'dpkg-deb -x "$1" "$0" && rm "$1"' "$2"
}

patch_programs() {
  local tree=$1 patchelf program interpreter libraries
  patchelf=$(need_file patchelf usr/bin/patchelf) || return 1
  libraries=$(printf '%s:' "$tree"/usr/lib/*-linux-gnu*)
  find "$tree/usr" -type f -perm -u+x -regex '.*/usr/\(s?bin\|libexec\|lib/podman\)/.*' | while IFS= read -r program; do
    # Scripts and static programs have no interpreter: they need no patch.
    interpreter=$("$patchelf" --print-interpreter "$program" 2>/dev/null) || continue
    # A second name of a program that was patched under its first.
    [[ $interpreter != "$tree"/* ]] || continue
    "$patchelf" --set-interpreter "$tree$interpreter" --force-rpath --set-rpath "${libraries%:}" "$program" || exit 1
  done
}
