#!/usr/bin/env bash
# roost-trainer for a machine without a network, such as a GPU node:
#
#   scripts/offline_trainer.sh pack FOLDER     here (Debian 12 with a network): the committed source and the libraries it needs
#   FOLDER/source/scripts/offline_trainer.sh build [PYTHON]
#                                              there: builds it on PYTHON's PyTorch (default python3), CPU or CUDA
#
# There it takes g++ (C++20), CMake 3.25, Ninja and a Python with PyTorch 2.11 to 2.13. Nothing is installed: the
# program, FOLDER/build/src/trainer/program/roost-trainer, finds the libraries in FOLDER/prefix.
set -euo pipefail
source=$(cd "$(dirname "$0")/.." && pwd)
die() { echo "offline_trainer: $*" >&2; exit 1; }

packages=(libfmt-dev libspdlog-dev libexpected-dev nlohmann-json3-dev libcli11-dev libsodium-dev libarchive-dev libyaml-cpp-dev
  libjpeg62-turbo-dev libpng-dev libtiff-dev libwebp-dev zlib1g-dev libgtest-dev libgmock-dev googletest pkgconf pkgconf-bin)
# What the compiler and the system there bring themselves.
own='^(libc6|libc-|libgcc|gcc-|libstdc|libcrypt|linux-|debconf|dpkg|perl|tar$|libperl|libacl1-dev|libc6-dev|rpcsvc|libnsl|libtirpc|python3|install-info|media-types|sgml|xml-core)'

pack() {
  local folder=$1 closure
  command -v apt-get >/dev/null || die "packing needs apt-get (Debian 12)"
  [ ! -e "$folder" ] || [ -z "$(ls -A "$folder")" ] || die "$folder is not empty"
  mkdir -p "$folder/debs/partial" "$folder/prefix" "$folder/source"
  folder=$(cd "$folder" && pwd)
  git -C "$source" archive HEAD | tar -x -C "$folder/source"
  closure=$(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances "${packages[@]}" |
    grep -E '^[a-z0-9]' | grep -v ':i386' | sort -u | grep -Ev "$own")
  # shellcheck disable=SC2086 # one word each
  (cd "$folder/debs" && apt-get -q download $closure >download.log 2>&1) || { tail -5 "$folder/debs/download.log" >&2; die "a package could not be downloaded"; }
  for deb in "$folder"/debs/*.deb; do dpkg -x "$deb" "$folder/prefix"; done
  # Newer systems have /lib in /usr.
  if [ -d "$folder/prefix/lib" ]; then cp -a "$folder/prefix/lib/." "$folder/prefix/usr/lib/" && rm -r "$folder/prefix/lib"; fi
  rm -rf "$folder/debs" "$folder/prefix/usr/share/doc" "$folder/prefix/usr/share/man" "$folder/prefix/usr/share/locale"
  echo "$folder: $(du -sm "$folder" | cut -f1) MiB. Take it there, and run $(basename "$folder")/source/scripts/offline_trainer.sh build"
}

build() {
  local folder python=${1:-python3} libraries
  folder=$(cd "$source/.." && pwd)
  libraries=$folder/prefix/usr/lib/x86_64-linux-gnu
  [ -d "$libraries" ] || die "this is no packed folder: run 'offline_trainer.sh pack FOLDER' where there is a network"
  for tool in g++ cmake ninja; do command -v $tool >/dev/null || die "$tool is missing here"; done
  "$python" -c 'import torch; print("PyTorch", torch.__version__, "CUDA", torch.version.cuda)' || die "$python has no PyTorch; name one that has: build PYTHON"
  # pkg-config itself may be missing there, too.
  cat >"$folder/pkg-config" <<EOF
#!/bin/sh
LD_LIBRARY_PATH=$libraries PKG_CONFIG_SYSROOT_DIR=$folder/prefix PKG_CONFIG_LIBDIR=$libraries/pkgconfig:$folder/prefix/usr/share/pkgconfig exec $folder/prefix/usr/bin/pkgconf "\$@"
EOF
  chmod +x "$folder/pkg-config"
  cmake -S "$source" -B "$folder/build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DROOST_TRAINER_ONLY=ON -DROOST_TRAINER_DOWNLOAD=OFF \
    -DROOST_TORCH_PYTHON="$(command -v "$python")" -DROOST_RUNPATH="$libraries" -DPKG_CONFIG_EXECUTABLE="$folder/pkg-config" \
    -DCMAKE_PREFIX_PATH="$folder/prefix/usr" -DCMAKE_LIBRARY_ARCHITECTURE=x86_64-linux-gnu \
    -DCMAKE_EXE_LINKER_FLAGS="-Wl,-rpath-link,$libraries" >"$folder/cmake.log" || { cat "$folder/cmake.log" >&2; die "CMake failed"; }
  cmake --build "$folder/build"
  (cd "$folder/build" && LD_LIBRARY_PATH=$libraries OMP_NUM_THREADS=1 ctest -R '^trainer_' --output-on-failure -j"$(nproc)" | tail -15)
  "$folder/build/src/trainer/program/roost-trainer" --version
}

case ${1:-} in
  pack) [ $# -eq 2 ] || die "pack takes the folder to write"; pack "$2" ;;
  build) shift; build "$@" ;;
  *) sed -n '2,/^set/{/^set/!s/^# \{0,1\}//p}' "$0"; exit 2 ;;
esac
