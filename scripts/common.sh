# Shared by quickstart.sh and test.sh; sourced, not run. Says what it does, does nothing twice.

project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=${ROOST_VENV:-$project/.venv}
torch_version=2.13.0
cpu_index=https://download.pytorch.org/whl/cpu

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then mark=$'\033[1m==>\033[0m'; else mark='==>'; fi
say() { printf '%s %s\n' "$mark" "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else die "installing Debian packages needs root: run this as root, or install sudo"; fi
}

# Installs those of the named Debian packages that are missing.
install_packages() {
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  command -v apt-get >/dev/null || die "this script installs with apt-get (Debian 12); on another system install the equivalents of: ${missing[*]}"
  say "Installing Debian packages: ${missing[*]}"
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >"$project/build/apt.log" 2>&1 ||
    { tail -20 "$project/build/apt.log" >&2; die "apt-get failed; the whole output is in build/apt.log"; }
}

build_packages=(g++ cmake ninja-build ccache git curl ca-certificates pkg-config
  libboost1.81-dev libfmt-dev libspdlog-dev libexpected-dev nlohmann-json3-dev libsimdjson-dev
  libcli11-dev libcurl4-openssl-dev libsqlite3-dev libsodium-dev libarchive-dev libzstd-dev
  zlib1g-dev libgtest-dev libgmock-dev libyaml-cpp-dev
  libjpeg62-turbo-dev libpng-dev libtiff-dev libwebp-dev)
python_packages=(python3 python3-venv python3-pip)

has_nvidia_gpu() { [ -e /dev/nvidiactl ] || ls /dev/nvidia[0-9]* >/dev/null 2>&1; }

# A Python with PyTorch: the machine's own where it has torch already, else a virtual environment with
# the CPU build (a machine with an NVIDIA GPU gets the registry's CUDA build). Sets $python.
# $constraints pins that exact torch for every later installation into it.
prepare_python() {
  constraints=$project/build/constraints.txt
  mkdir -p "$project/build"
  if [ ! -x "$venv/bin/python" ]; then
    say "Making the Python environment $venv"
    if python3 -c 'import torch' 2>/dev/null; then
      python3 -m venv --system-site-packages "$venv" # uses the machine's own torch
    else
      python3 -m venv "$venv"
    fi
  fi
  python=$venv/bin/python
  if ! "$python" -c 'import torch' 2>/dev/null; then
    say "Installing PyTorch $torch_version ($(has_nvidia_gpu && echo CUDA || echo CPU) build)"
    if has_nvidia_gpu; then
      "$python" -m pip install -q "torch==$torch_version"
      # Headers that its packages lack, for the trainer's own kernels and recorded steps.
      local cuda
      cuda=$("$python" -c 'import torch; print(torch.version.cuda)')
      "$python" -m pip install -q "nvidia-cuda-crt==$cuda.*" "nvidia-cuda-cccl==$cuda.*" ||
        say "CUDA $cuda's remaining headers could not be installed: the trainer uses the GPU by PyTorch's own operations, unless a toolkit is found"
    else
      # The local version +cpu cannot be satisfied by a CUDA build, wherever pip looks.
      "$python" -m pip install -q "torch==$torch_version+cpu" 2>"$project/build/pip-torch.log" ||
        "$python" -m pip install -q "torch==$torch_version+cpu" --extra-index-url "$cpu_index" ||
        { cat "$project/build/pip-torch.log" >&2; die "PyTorch $torch_version (CPU) could not be installed"; }
    fi
  fi
  "$python" - >"$constraints" <<'PY'
import importlib.metadata
print("torch==" + importlib.metadata.version("torch"))
PY
}

# Installs a requirement file into the environment, never another torch.
pip_install() {
  local file=$1 done_mark
  done_mark=$venv/.installed-$(cat "$file" "$constraints" | sha256sum | cut -c1-16)
  [ -e "$done_mark" ] && return 0
  say "Installing Python packages of ${file#"$project"/}"
  "$python" -m pip install -q -c "$constraints" -r "$file" && touch "$done_mark"
}
