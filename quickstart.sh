#!/usr/bin/env bash
# From nothing to a trained, registered model on a Debian 12 machine:
#
#   ./quickstart.sh [--data DIR] [--keep yes|no] [--epochs N] [--size N] [--port N]
#
#   --data DIR    train on your own images: a folder of class folders (or of train/ and test/ with such folders);
#                 default: 1,797 handwritten digits that scikit-learn brings
#   --keep no     stop the server at the end; default: yes, it keeps running and you can open its page
#   --epochs N    default 6
#   --size N      side to which the images are brought, in pixels; default 64, for the digits 32
#   --port N      the server's port; default 7070, or the one it had last time
#
# Installs the Debian packages that are missing, makes a Python environment with PyTorch, builds Roost, starts its
# server, trains ResNet-18 with roost-trainer as a run, shows its log and metrics while it runs, and registers the
# model. Then a Python script trains on the same images, and the two runs are put side by side.
set -euo pipefail
cd "$(dirname "$0")"
. scripts/common.sh

data='' keep=yes epochs=6 size='' port=''
usage() { sed -n '2,/^set/{/^set/!s/^# \{0,1\}//p}' "$0"; }
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --data | --keep | --epochs | --size | --port)
      [ $# -ge 2 ] || die "$1 needs a value (see ./quickstart.sh --help)"
      case $1 in --data) data=$2 ;; --keep) keep=$2 ;; --epochs) epochs=$2 ;; --size) size=$2 ;; --port) port=$2 ;; esac
      shift 2 ;;
    *) die "unknown argument $1 (see ./quickstart.sh --help)" ;;
  esac
done
case $keep in yes | no) ;; *) die "--keep is yes or no, not '$keep'" ;; esac
[[ $epochs =~ ^[1-9][0-9]*$ ]] || die "--epochs is a whole number from 1, not '$epochs'"
[[ -z $size || $size =~ ^[1-9][0-9]*$ ]] || die "--size is a whole number from 1, not '$size'"
[[ -z $port || $port =~ ^[1-9][0-9]*$ ]] || die "--port is a number, not '$port'"
if [ -n "$data" ]; then
  [ -d "$data" ] || die "there is no folder $data; --data takes a folder of class folders with images"
  data=$(cd "$data" && pwd)
fi

mkdir -p build
install_packages "${build_packages[@]}" "${python_packages[@]}"
prepare_python
pip_install "$project/examples/requirements.txt"

say "Building Roost (a few minutes the first time, seconds later)"
cmake --preset release -DROOST_TRAINER=ON -DROOST_TORCH_PYTHON="$python" >build/cmake.log || { cat build/cmake.log >&2; exit 1; }
cmake --build --preset release --target roost roost-shim roost-trainer
roost=$project/build/release/src/cli/roost

flip=yes
if [ -z "$data" ]; then
  data=$project/build/example-data/digits flip=no size=${size:-32} # a mirrored digit is none
  "$python" examples/data/write_digits.py "$data"
fi

started_here=no
if "$roost" status >/dev/null 2>&1; then
  say "The server is running already"
else
  say "Starting the server"
  # The script's environment is the runs' default; log and data go to the user's data folder.
  # Environments that are built keep to this PyTorch, and find torchvision for it, so that none fetches gigabytes of
  # CUDA by accident.
  places=(--constraints "$constraints")
  if ! has_nvidia_gpu && curl -fsI --max-time 5 "$cpu_index/torchvision/" >/dev/null 2>&1; then places+=(--extra-index-url "$cpu_index"); fi
  setsid "$roost" serve --python "$python" "${places[@]}" ${port:+--port "$port"} >build/server.out 2>&1 </dev/null &
  server=$!
  started_here=yes
  for _ in $(seq 100); do
    "$roost" status >/dev/null 2>&1 && break
    kill -0 "$server" 2>/dev/null || { cat build/server.out >&2; die "the server did not start"; }
    sleep 0.1
  done
  "$roost" status >/dev/null || { cat build/server.out >&2; die "the server does not answer"; }
fi
stop_server() {
  [ "$started_here" = yes ] && [ "$keep" = no ] && [ -n "${server:-}" ] || return 0
  say "Stopping the server"
  kill -TERM "$server" 2>/dev/null && wait "$server" || true
}
trap stop_server EXIT

# Submits a job, shows its log while it runs, and sets $run. The rest of the words are submit's.
submit() {
  local experiment=$1 code=0
  shift
  "$roost" submit --experiment "$experiment" --watch "$@" || code=$?
  run=$("$roost" runs --experiment "$experiment" --limit 1 --json | "$python" -c 'import json, sys; print(json.load(sys.stdin)["items"][0]["run_id"])')
  [ "$code" = 0 ] || { "$roost" show "$run"; die "the run ended with exit code $code"; }
}

say "Training ResNet-18 with roost-trainer on $data (examples/native-classifier/train.sh)"
cpus=$("$roost" status --json | "$python" -c 'import json, sys; print(json.load(sys.stdin)["resources"]["cpus"])')
submit quickstart --folder examples/native-classifier --cpus "$cpus" --name native --env "IMAGES=$data" --command \
  "./train.sh --data \"\$IMAGES\" --size ${size:-64} --flip $flip --epochs $epochs"
native=$run

say "The run"
"$roost" show "$run"
say "Its metrics"
"$roost" metrics "$run"
say "Its files"
"$roost" files "$run"
folder=build/quickstart-files
rm -rf "$folder"
"$roost" download "$run" outputs --to "$folder"
echo "a copy of outputs/ is in $project/$folder"
say "Registering the model"
"$roost" models register image-classifier --run "$run" --path outputs

say "The same images by a Python script (examples/image-classifier/train.py)"
submit quickstart examples/image-classifier train.py --cpus "$cpus" --name python --python "$python" -- \
  --data "$data" --epochs "$epochs" --image-size "${size:-64}"
say "Both runs"
"$roost" compare "$native" "$run"

echo
link=$("$roost" open --print)
if [ "$keep" = yes ]; then
  say "The server keeps running. Open  $link"
  echo "    stop it with   kill $(pgrep -f "$roost serve" | head -1 || true)"
else
  say "To look at it in the browser, start the server with   $roost serve   and open  $link"
fi
