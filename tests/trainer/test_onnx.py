"""ONNX files of the trainer's writer, checked by the onnx package and run by ONNX Runtime beside a reference in NumPy.
ROOST_ONNX_PROBE names the program onnx_probe."""

from __future__ import annotations

import os
import subprocess

import pytest

PROBE = os.environ.get("ROOST_ONNX_PROBE")
pytestmark = pytest.mark.skipif(not PROBE, reason="ROOST_ONNX_PROBE is not set")
np = pytest.importorskip("numpy")
onnx = pytest.importorskip("onnx")


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "model.onnx"
    subprocess.run([PROBE, str(file)], check=True, timeout=240)
    return file


# --- The reference: plain loops over the window, N x C x H x W ---


def windows(x, kernel, strides, padding, dilations=(1, 1), fill=0.0):
    """Yields (i, j, the elements under the kernel's place i, j for every output)."""
    x = np.pad(x, ((0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2), constant_values=fill)
    out = [(x.shape[2 + d] - dilations[d] * (kernel[d] - 1) - 1) // strides[d] + 1 for d in (0, 1)]
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            a, b = i * dilations[0], j * dilations[1]
            yield i, j, x[:, :, a : a + strides[0] * out[0] : strides[0], b : b + strides[1] * out[1] : strides[1]][
                :, :, : out[0], : out[1]
            ]


def conv(x, weight, bias=None, strides=(1, 1), padding=(0, 0), dilations=(1, 1), groups=1):
    per_in, per_out, total = weight.shape[1], weight.shape[0] // groups, 0
    for i, j, piece in windows(x, weight.shape[2:], strides, padding, dilations):
        parts = [
            np.einsum("nchw,oc->nohw", piece[:, g * per_in : (g + 1) * per_in], weight[g * per_out : (g + 1) * per_out, :, i, j])
            for g in range(groups)
        ]
        total = total + np.concatenate(parts, axis=1)
    return total if bias is None else total + bias[None, :, None, None]


def norm(x, w, name):
    scale = w[name + ".weight"] / np.sqrt(w[name + ".running_var"] + 1e-3)
    shift = w[name + ".bias"] - w[name + ".running_mean"] * scale
    return np.maximum(x * scale[None, :, None, None] + shift[None, :, None, None], 0)


def max_pool(x, kernel, strides, padding):
    return np.max([piece for _, _, piece in windows(x, kernel, strides, padding, fill=-np.inf)], axis=0)


def average_pool(x, kernel, strides, padding):
    """Without the padding in the count."""
    total = sum(piece for _, _, piece in windows(x, kernel, strides, padding))
    return total / sum(piece for _, _, piece in windows(np.ones_like(x), kernel, strides, padding))


def reference(x, w):
    x = norm(conv(x, w["stem.weight"], strides=(2, 2), padding=(3, 3)), w, "norm1")
    shortcut = x = max_pool(x, (3, 3), (2, 2), (1, 1))
    x = conv(x, w["grouped.weight"], w["grouped.bias"], padding=(2, 2), dilations=(2, 2), groups=2) + shortcut
    x = norm(np.concatenate([x, shortcut], axis=1), w, "norm2")
    x = average_pool(average_pool(x, (2, 2), (2, 2), (0, 0)), (3, 3), (1, 1), (1, 1))
    x = x * np.clip(x / 6 + 0.5, 0, 1)
    gate = conv(x.mean(axis=(2, 3), keepdims=True), w["gate.fc.weight"])
    x = np.clip(x * np.clip(gate / 6 + 0.5, 0, 1), 0, 6)
    return x.mean(axis=(2, 3)) @ w["fc.weight"].T + w["fc.bias"]


def test_the_file_is_a_valid_model(path):
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert model.ir_version == 8
    assert [(o.domain, o.version) for o in model.opset_import] == [("", 17)]
    assert {p.key: p.value for p in model.metadata_props} == {"classes": "ants, Bienen ä"}
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "N"
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in inferred.graph.value_info}
    assert shapes["maxpool"][1:] == [8, 9, 8] and shapes["concat"][1:] == [16, 9, 8]


def test_onnx_runtime_computes_what_the_reference_does(path):
    ort = pytest.importorskip("onnxruntime")
    weights = {t.name: onnx.numpy_helper.to_array(t).astype(np.float64) for t in onnx.load(path).graph.initializer}
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    random = np.random.default_rng(0)
    for batch in (1, 3):
        image = random.standard_normal((batch, 3, 33, 29)).astype(np.float32)
        (found,) = session.run(None, {"image": image})
        expected = reference(image.astype(np.float64), weights)
        assert found.shape == (batch, 5)
        assert np.abs(expected).max() > 0.1  # a net that answers nothing agrees with all
        assert np.abs(found - expected).max() < 1e-4
