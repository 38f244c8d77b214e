# Debian packages, by what needs them; sourced by capi/demo/run, tests/run and .ci/run.
BUILD_PACKAGES=(g++ meson ninja-build pkg-config python3 libuv1-dev libssl-dev libnghttp2-dev libc-ares-dev libre2-dev
  libyaml-dev libjansson-dev libhowardhinnant-date-dev node-llhttp)
DEMO_PACKAGES=(curl openssl python3-websockets)
TEST_PACKAGES=(libgtest-dev libbenchmark-dev curl openssl nghttp2-client nghttp2-server wrk python3-h2
  python3-grpcio python3-websockets python3-jwt python3-cryptography prometheus redis-server redis-tools
  python3-cffi python3-dev python3-pip python3-setuptools python3-wheel
  python3-uvloop abigail-tools cmake libevent-dev mandoc valgrind)
LINT_PACKAGES=(clang-format-14 clang-tidy-14)

# Installs those of the named packages that are missing; touches nothing when none is.
install_missing() {
  local missing=() package
  for package in "$@"; do
    if [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) != installed ]]; then missing+=("$package"); fi
  done
  if [[ ${#missing[@]} -eq 0 ]]; then return; fi
  local root=()
  if [[ $EUID -ne 0 ]]; then
    if ! command -v sudo >/dev/null; then
      echo "these packages are missing, and there is no sudo to install them with: ${missing[*]}" >&2
      exit 1
    fi
    root=(sudo)
  fi
  echo "installing ${missing[*]}"
  # A machine that has just started may be at its own updates: that is waited for.
  local install=("${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -q
    --no-install-recommends "${missing[@]}")
  # The package lists may be missing or old.
  "${install[@]}" >/dev/null 2>&1 || { "${root[@]}" apt-get update -q && "${install[@]}"; }
}

# configure FOLDER OPTIONS...: once.
configure() {
  if [[ ! -f $1/build.ninja ]]; then meson setup "$@"; fi
}

# build_in FOLDER OPTIONS...: configures it once, then builds.
build_in() {
  configure "$@"
  ninja -C "$1"
}
