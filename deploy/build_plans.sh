#!/usr/bin/env bash
# Builds a TensorRT plan of every graph in the folder given, as `python -m triton_models.tensorrt` lays them out. The plan
# takes the place of its graph. Runs in the image that will serve the plans, on the GPU that will.
set -euo pipefail
shopt -s nullglob

graphs=("$1"/*/*/model.onnx)
if ((${#graphs[@]} == 0)); then
    echo "There is no graph in $1: run \`python -m triton_models.tensorrt\` first." >&2
    exit 1
fi

shapes() { echo "input_ids:$1,attention_mask:$1"; }

for graph in "${graphs[@]}"; do
    plan=${graph%.onnx}.plan
    # Texts × tokens. Full fp32, so that a text's score hardly depends on where it was made.
    "${TRTEXEC:-/usr/src/tensorrt/bin/trtexec}" --onnx="$graph" --saveEngine="$plan.unfinished" \
        --minShapes="$(shapes 1x1)" --optShapes="$(shapes 32x32)" --maxShapes="$(shapes 128x256)" \
        --noTF32 --skipInference
    mv "$plan.unfinished" "$plan"
    rm "$graph"
    echo "built $plan"
done
