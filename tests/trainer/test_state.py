"""The .pth reader and writer beside PyTorch's own: what torch.save writes is read to the byte, what Roost writes
torch.load(weights_only=True) reads, and hostile files are refused. ROOST_STATE_PROBE names the program state_probe."""

from __future__ import annotations

import collections
import hashlib
import os
import pickle
import struct
import subprocess
import zipfile

import pytest

torch = pytest.importorskip("torch")
PROBE = os.environ.get("ROOST_STATE_PROBE")
pytestmark = pytest.mark.skipif(not PROBE, reason="ROOST_STATE_PROBE is not set")

DTYPES = [
    "float32", "float64", "float16", "bfloat16", "uint8", "int8", "int16", "int32", "int64", "bool",
    "uint16", "uint32", "uint64", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz",
]  # fmt: skip


def probe(*arguments) -> subprocess.CompletedProcess:
    return subprocess.run([PROBE, *map(str, arguments)], capture_output=True, text=True, timeout=240)


def read(command, path) -> list[str]:
    done = probe(command, path)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def refusal(path) -> str:
    done = probe("show", path)
    assert done.returncode == 1, done.stdout
    assert str(path) in done.stderr
    return done.stderr


def tensor_text(tensor) -> str:
    flat = tensor.detach().contiguous().reshape(-1)
    data = bytes(flat.view(torch.uint8).tolist()) if flat.numel() else b""
    digest = hashlib.blake2b(data, digest_size=32).hexdigest()
    return f"tensor {str(tensor.dtype)[6:]} ({''.join(f'{n},' for n in tensor.shape)}) {digest}"


def show(value, path="root") -> list[str]:
    """What `state_probe show` prints for a Python value."""
    if isinstance(value, torch.Tensor):
        return [f"{path}: {tensor_text(value)}"]
    if isinstance(value, dict):
        kind = "OrderedDict" if isinstance(value, collections.OrderedDict) else "dict"
        return sum((show(v, f"{path}.{k}") for k, v in value.items()), [f"{path}: {kind}"])
    if isinstance(value, (list, tuple)):
        kind = "list" if isinstance(value, list) else "tuple"
        return sum((show(v, f"{path}[{i}]") for i, v in enumerate(value)), [f"{path}: {kind}"])
    if value is None:
        return [f"{path}: None"]
    if isinstance(value, (bytes, bytearray)):
        return [f"{path}: bytes {value.hex()}"]
    if isinstance(value, float):
        return [f"{path}: float {float_hex(value)}"]
    return [f"{path}: {type(value).__name__} {value}"]


def float_hex(value: float) -> str:
    """The shortest hexadecimal form, as the probe prints it."""
    mantissa, exponent = value.hex().split("p")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{mantissa}p{exponent}"


def same(a, b) -> bool:
    return show(a) == show(b)


def some_tensor(dtype_name: str, *sizes: int):
    dtype = getattr(torch, dtype_name)
    if dtype_name == "bool":
        return torch.rand(sizes) > 0.5
    if dtype_name.startswith(("float", "bfloat")):
        return torch.randn(sizes).to(dtype)
    return torch.randint(0, 100, sizes).to(dtype)


def model():
    torch.manual_seed(3)
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Flatten(), torch.nn.Linear(16, 2)
    )


def checkpoint():
    net = model()
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.01)
    net(torch.randn(2, 3, 4, 4)).sum().backward()
    optimizer.step()
    return {
        "epoch": 7, "arch": "resnet ä", "best": 0.875, "done": True, "nothing": None, "args": ["a", (1, -2)],
        "state_dict": net.state_dict(), "optimizer": optimizer.state_dict(), "raw": b"\x00\x7f\x80\xff",
        "ints": [0, 255, 256, 65535, 65536, -1, 2**31, -(2**31), 2**63 - 1, -(2**63)],
        "array": bytearray(b"xy"), "size": tuple(torch.Size([2, 3])),
    }  # fmt: skip


def tensors():
    base = torch.arange(24.0).reshape(2, 3, 4)
    tied = torch.randn(5)
    with_attribute = torch.nn.Parameter(torch.ones(3))
    with_attribute.note = "kept by Python only"
    tensor_with_attribute = torch.ones(3)
    tensor_with_attribute.note = 1
    return {
        "transposed": base.transpose(0, 2), "slice": base[:, 1:, ::2], "row": base[1], "expanded": torch.ones(1, 3).expand(4, 3),
        "channels_last": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last), "tied.a": tied, "tied.b": tied,
        "empty": torch.zeros(0, 3), "scalar": torch.tensor(5), "parameter": torch.nn.Parameter(torch.randn(2, 2)),
        "state": with_attribute, "attribute": tensor_with_attribute, "one": torch.randn(1, 1, 1).expand(1, 1, 1),
    } | {name: some_tensor(name, 3, 2) for name in DTYPES}  # fmt: skip


@pytest.mark.parametrize("zip_format", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("make", [lambda: model().state_dict(), checkpoint, tensors], ids=["state_dict", "checkpoint", "tensors"])
def test_reads_what_torch_saves(tmp_path, make, zip_format):
    value = make()
    path = tmp_path / "a.pth"
    torch.save(value, path, _use_new_zipfile_serialization=zip_format)
    assert read("show", path) == show(value)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_reads_every_pickle_protocol(tmp_path, protocol):
    value = checkpoint()
    torch.save(value, tmp_path / "a.pth", pickle_protocol=protocol)
    assert read("show", tmp_path / "a.pth") == show(value)


def test_reads_big_endian_files(tmp_path):
    value = {"a": torch.arange(6, dtype=torch.int32).reshape(2, 3), "b": torch.randn(3).double(), "c": torch.ones(2, dtype=torch.int8)}
    torch.save(value, tmp_path / "little.pth")
    with zipfile.ZipFile(tmp_path / "little.pth") as old, zipfile.ZipFile(tmp_path / "big.pth", "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name.endswith("byteorder"):
                content = b"big"
            elif "/data/" in name:
                size = list(value.values())[int(name.rsplit("/", 1)[1])].element_size()
                content = b"".join(content[i : i + size][::-1] for i in range(0, len(content), size))
            new.writestr(name, content)
    assert read("show", tmp_path / "big.pth") == show(value)


def test_reads_files_without_checksums(tmp_path):
    torch.serialization.set_crc32_options(False)
    try:
        torch.save(tensors(), tmp_path / "a.pth")
    finally:
        torch.serialization.set_crc32_options(True)
    assert len(read("show", tmp_path / "a.pth")) == len(tensors()) + 1


@pytest.mark.parametrize("wrap", [
    lambda s: s, lambda s: {"epoch": 1, "state_dict": s}, lambda s: {"model": s}, lambda s: {"model_state_dict": s, "optimizer": {}},
    lambda s: {"state_dict": {f"module.{k}": v for k, v in s.items()}}, lambda s: {f"_orig_mod.module.{k}": v for k, v in s.items()},
    lambda s: {"model": {"state_dict": s}},
])  # fmt: skip
def test_finds_the_weights(tmp_path, wrap):
    state = model().state_dict()
    torch.save(wrap(state), tmp_path / "a.pth")
    assert read("weights", tmp_path / "a.pth") == [f"{k}: {tensor_text(v)}" for k, v in state.items()]


def test_a_file_without_weights_says_what_it_has(tmp_path):
    torch.save({"epoch": 3, "history": [1.0]}, tmp_path / "a.pth")
    done = probe("weights", tmp_path / "a.pth")
    assert done.returncode == 1
    assert "'epoch', 'history'" in done.stderr


@pytest.mark.parametrize("mmap", [False, True])
def test_torch_loads_what_is_written(tmp_path, mmap):
    path = tmp_path / "a.pth"
    done = probe("example", path)
    assert done.returncode == 0, done.stderr
    value = torch.load(path, weights_only=True, mmap=mmap)
    assert read("show", path) == show(value)
    weights = value["state_dict"]
    assert isinstance(weights, collections.OrderedDict)
    for name in DTYPES:
        assert weights[name].dtype == getattr(torch, name) and weights[name].shape == (2, 3, 4)
    raw = bytes(i % 60 for i in range(24 * 4))
    assert weights["float32"].tolist() == torch.frombuffer(bytearray(raw), dtype=torch.float32).reshape(2, 3, 4).tolist()
    assert weights["int16"].flatten().tolist() == list(struct.unpack("<24h", raw[:48]))
    assert weights["scalar"].shape == () and weights["empty"].shape == (0, 3)
    assert weights["tied.a"].data_ptr() == weights["tied.b"].data_ptr()
    assert value["bytes"] == b"\x00\x7f\x80\xff" and value["none"] is None
    assert value["classes"] == ["ants", "Bienen ä", "蜂"]
    assert value["ints"] == [0, 255, 256, 65535, 65536, -1, -129, 1 << 40, -(2**63), 2**63 - 1]
    assert value["optimizer"]["state"][0]["step"] == 7.0
    assert value["optimizer"]["param_groups"] == [{"lr": 0.1, "nesterov": True, "betas": (0.9, 0.999), "params": [0, 1, 2]}]
    assert value["empty dict"] == {} and value["empty list"] == [] and value["empty tuple"] == ()
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None


@pytest.mark.parametrize("make", [lambda: model().state_dict(), checkpoint, tensors])
def test_there_and_back(tmp_path, make):
    value = make()
    torch.save(value, tmp_path / "a.pth")
    done = probe("copy", tmp_path / "a.pth", tmp_path / "b.pth")
    assert done.returncode == 0, done.stderr
    assert same(torch.load(tmp_path / "b.pth", weights_only=True), value)


def test_a_copied_state_dict_loads_into_its_model(tmp_path):
    net = model()
    torch.save(net.state_dict(), tmp_path / "a.pth")
    assert probe("copy", tmp_path / "a.pth", tmp_path / "b.pth").returncode == 0
    other = model()
    torch.nn.init.zeros_(other[0].weight)
    other.load_state_dict(torch.load(tmp_path / "b.pth", weights_only=True))
    assert same(other.state_dict(), net.state_dict())


def test_many_tensors_take_the_zip64_directory(tmp_path):
    path = tmp_path / "a.pth"
    assert probe("many", path).returncode == 0
    # What torch.load opens archives with; torch.load itself takes seconds for so many.
    archive = torch._C.PyTorchFileReader(str(path))
    assert len(archive.get_all_records()) == 66_000 + 3
    assert archive.get_record("data/65999") == struct.pack("<i", 65_999)
    lines = read("weights", path)
    assert len(lines) == 66_000
    assert lines[-1] == f"65999: {tensor_text(torch.tensor([65_999], dtype=torch.int32))}"


# --- Hostile files ---


class Evil:
    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("zip_format", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("protocol", [2, 4])
def test_code_is_refused_and_does_not_run(tmp_path, zip_format, protocol):
    marker = tmp_path / "ran"
    for function, argument, name in [
        (os.system, f"touch {marker}", "posix.system"),
        (eval, f"open({str(marker)!r}, 'w')", "eval"),
        (subprocess.Popen, ["touch", str(marker)], "Popen"),
        (pickle.loads, b"", "loads"),
    ]:
        path = tmp_path / "evil.pth"
        value = {"weights": torch.ones(2), "x": Evil(function, argument)}
        torch.save(value, path, _use_new_zipfile_serialization=zip_format, pickle_protocol=protocol)
        assert f"{name}, which weights have no need of" in refusal(path)
    assert not marker.exists()


def test_whole_modules_and_odd_tensors_are_refused_by_name(tmp_path):
    path = tmp_path / "a.pth"
    for value, words in [
        (model(), "torch.nn.modules.container.Sequential"),
        ({"a": torch.zeros(2, dtype=torch.complex64)}, "ComplexFloatStorage"),
        ({"a": torch.eye(2).to_sparse()}, "_rebuild_sparse_tensor"),
        ({"a": torch.zeros(2, device="meta")}, "_rebuild_meta_tensor_no_storage"),
    ]:
        torch.save(value, path)
        assert words in refusal(path)


def rewrite(source, target, change):
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            content = change(name, old.read(name))
            if content is not None:
                new.writestr(name, content)


def test_sizes_are_checked_against_the_storage(tmp_path):
    good, bad = tmp_path / "good.pth", tmp_path / "bad.pth"
    torch.save({"a": torch.ones(4)}, good)
    rewrite(good, bad, lambda name, content: content[:-1] if name.endswith("data/0") else content)
    assert "storage 0 has 15 bytes" in refusal(bad)
    rewrite(good, bad, lambda name, content: None if name.endswith("data/0") else content)
    assert "no entry good/data/0" in refusal(bad)
    # One more element than there are: the size, then the stride's 1.
    rewrite(good, bad, lambda name, content: content.replace(b"K\x04\x85", b"K\x05\x85"))
    assert "past the end of its storage" in refusal(bad)
    rewrite(good, bad, lambda name, content: content.replace(b"K\x00K\x04\x85", b"J\xff\xff\xff\xffK\x04\x85"))
    assert "negative" in refusal(bad)


def test_damage_is_named(tmp_path):
    good, bad = tmp_path / "good.pth", tmp_path / "bad.pth"
    torch.save({"a": torch.ones(1000)}, good)
    content = good.read_bytes()
    bad.write_bytes(content[: len(content) // 2])
    assert "cut short" in refusal(bad)
    middle = content.index(struct.pack("<4f", 1, 1, 1, 1)) + 64
    bad.write_bytes(content[:middle] + b"\x17" + content[middle + 1 :])
    assert "checksum" in refusal(bad)
    with zipfile.ZipFile(good) as old, zipfile.ZipFile(bad, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    assert "compressed" in refusal(bad)
    bad.write_bytes(b"")
    assert "empty" in refusal(bad)
    bad.write_bytes(b"GIF89a")
    assert "not what torch.save writes" in refusal(bad)
    assert "not a regular file" in refusal(tmp_path)
    assert "No such file" in refusal(tmp_path / "none.pth")


def test_bombs_are_refused(tmp_path):
    path = tmp_path / "a.pth"
    torch.save({"a": torch.ones(1).expand(1 << 20, 1 << 20)}, path)
    assert "far more memory than the file" in refusal(path)
    nested = []
    for _ in range(40):
        nested = [nested, nested]
    torch.save(nested, path)
    assert "more than" in refusal(path)
    nested.append(nested)
    torch.save(nested, path)
    refusal(path)
    deep = []
    for _ in range(200):
        deep = [deep]
    torch.save(deep, path)
    assert "levels deep" in refusal(path)
    text = "x" * 1_000_000
    torch.save([text] * 10_000, path)
    assert "texts repeat" in refusal(path)


def test_torchscript_is_named(tmp_path):
    module = torch.jit.script(torch.nn.Linear(2, 2))
    torch.jit.save(module, tmp_path / "a.pt")
    assert "TorchScript" in refusal(tmp_path / "a.pt")
