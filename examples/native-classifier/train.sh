#!/usr/bin/env bash
# Trains ResNet-18 on a folder of images with roost-trainer alone: no Python runs.
#
#   train.sh --data DIR [--size N] [--flip yes|no] [--epochs N] [--batch-size N] [--learning-rate X]
#
#   --data DIR    a folder of class folders, or of train/ and test/ with such folders
#   --size N      side of the images in pixels (64); the shorter side is resized to it and the middle kept
#   --flip no     do not mirror training images at random, as for letters and digits
#
# Each step is a component of the designer; each folder between two of them can be looked at. What lies in outputs/
# is kept with the run: the trained model, its evaluation and the model for ONNX Runtime.
set -euo pipefail
data='' size=64 flip=yes epochs=6 batch=32 rate=0.02
while [ $# -gt 0 ]; do
  case $1 in
    --data) data=$2 ;;
    --size) size=$2 ;;
    --flip) flip=$2 ;;
    --epochs) epochs=$2 ;;
    --batch-size) batch=$2 ;;
    --learning-rate) rate=$2 ;;
    *) echo "unknown argument $1" >&2; exit 2 ;;
  esac
  shift 2
done
command -v roost-trainer >/dev/null || { echo "roost-trainer is not here: see docs/trainer.md, Building" >&2; exit 2; }
step() { echo "==> $1"; shift; roost-trainer "$@"; }

if [ -d "$data/train" ] && [ -d "$data/test" ]; then
  step "Training images" convert-image-directory --input-path "$data/train" --output-path work/train
  step "Test images" convert-image-directory --input-path "$data/test" --output-path work/test
else
  step "Images" convert-image-directory --input-path "$data" --output-path work/all
  step "A fifth is for testing" split-image-directory --src-path work/all --tgt-train-path work/train --tgt-test-path work/test --fraction 0.8
fi

step "Sizes" init-image-transformation --output-path work/transformation --size "$size" --crop-size "$size" \
  --random-horizontal-flip "$([ "$flip" = yes ] && echo True || echo False)"
for part in train test; do
  mode='For training'
  [ $part = train ] || mode='For inference'
  step "Sizes of the images in $part" apply-image-transformation --input-image-transform-path work/transformation \
    --input-image-dir-path "work/$part" --mode "$mode" --output-path "work/$part-$size"
done

step "Network" resnet --model-name resnet18 --pretrained False --untrained-model-path work/network
step "Training" train --untrained-model-path work/network --train-data-path "work/train-$size" --valid-data-path "work/test-$size" \
  --trained-model-path outputs/model --epochs "$epochs" --batch-size "$batch" --learning-rate "$rate" --schedule cosine --warmup-epochs 1
step "Scores" score --trained-model outputs/model --dataset "work/test-$size" --scored-dataset work/scores
step "Evaluation" evaluate --scored-dataset work/scores --output-path outputs/evaluation
step "ONNX" export-onnx --trained-model outputs/model --output-path outputs/model.onnx --image-size "$size"
