"""The trainer's images against Pillow: every format and mode, and every operation with explicit parameters.

ROOST_IMAGES_PROBE names the program `images_probe` (build/.../src/trainer/images/). ROOST_TEST_IMAGES may name a
folder of real images, which then take part.
"""

from __future__ import annotations

import io
import math
import os
import pathlib
import subprocess

import pytest

np = pytest.importorskip("numpy")
pytest.importorskip("PIL")
from PIL import Image, ImageEnhance, ImageFile, ImageOps  # noqa: E402

PROBE = os.environ.get("ROOST_IMAGES_PROBE")
pytestmark = pytest.mark.skipif(not PROBE, reason="ROOST_IMAGES_PROBE does not name the program images_probe")
REAL = sorted(p for p in pathlib.Path(os.environ.get("ROOST_TEST_IMAGES", "/nonexistent")).rglob("*.[jJ][pP]*[gG]"))[:60]


class Probe:
    """One process that answers many calls."""

    def __init__(self):
        self.process = subprocess.Popen([PROBE, "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __call__(self, path, *operations):
        self.process.stdin.write(("\t".join([str(path), *operations]) + "\n").encode())
        self.process.stdin.flush()
        head = self.process.stdout.readline().decode()
        if not head or head.startswith("error"):
            raise ValueError(head.strip() or "the probe has died")
        width, height, self.truncated = (int(word) for word in head.split())
        return np.frombuffer(self.process.stdout.read(width * height * 3), np.uint8).reshape(height, width, 3)


@pytest.fixture(scope="module")
def probe():
    probe = Probe()
    yield probe
    probe.process.stdin.close()
    assert probe.process.wait(timeout=240) == 0


def photo(width=97, height=61, seed=0):
    """Smooth colours with edges and noise: something like a photo."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    planes = [127 + 100 * np.sin(x / rng.uniform(5, 30) + rng.uniform(0, 6)) * np.cos(y / rng.uniform(5, 30)) for _ in range(3)]
    pixels = np.stack(planes, -1) + rng.normal(0, 8, (height, width, 3))
    pixels[height // 3 : height // 2, width // 4 : width // 2] = rng.uniform(0, 255, 3)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def noise(width=64, height=48, seed=0):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def difference(ours, theirs):
    theirs = np.asarray(theirs.convert("RGB"))
    assert ours.shape == theirs.shape
    return int(np.abs(ours.astype(int) - theirs.astype(int)).max())


# --- Decoding ---


def rgba():
    return Image.merge("RGBA", [*photo().split(), photo(seed=5).convert("L")])


def gray16():
    return Image.fromarray((np.arange(97 * 61, dtype=np.uint32).reshape(61, 97) * 11 % 65536).astype(np.uint16))


def animation():
    return {"save_all": True, "append_images": [photo(seed=2), photo(seed=3)]}


# name, picture, format, options of save
EXACT = [
    ("png", photo, "PNG", {}),
    ("png alpha", rgba, "PNG", {}),
    ("png gray alpha", lambda: rgba().convert("LA"), "PNG", {}),
    ("png gray", lambda: photo().convert("L"), "PNG", {}),
    ("png palette", lambda: photo().quantize(200), "PNG", {}),
    ("png palette 4 bits", lambda: photo().quantize(13), "PNG", {}),
    ("png palette transparent", lambda: photo().quantize(13), "PNG", {"transparency": 3}),
    ("png 1 bit", lambda: photo().convert("1"), "PNG", {}),
    ("bmp", photo, "BMP", {}),
    ("bmp palette", lambda: photo().quantize(200), "BMP", {}),
    ("bmp gray", lambda: photo().convert("L"), "BMP", {}),
    ("bmp 1 bit", lambda: photo().convert("1"), "BMP", {}),
    ("bmp 32 bit", rgba, "BMP", {}),
    ("ppm", photo, "PPM", {}),
    ("pgm", lambda: photo().convert("L"), "PPM", {}),
    ("pbm", lambda: photo().convert("1"), "PPM", {}),
    ("tiff", photo, "TIFF", {}),
    ("tiff alpha", rgba, "TIFF", {}),
    ("tiff lzw", photo, "TIFF", {"compression": "tiff_lzw"}),
    ("tiff deflate", photo, "TIFF", {"compression": "tiff_adobe_deflate"}),
    ("tiff gray", lambda: photo().convert("L"), "TIFF", {}),
    ("tiff palette", lambda: photo().quantize(200), "TIFF", {}),
    ("tiff 1 bit", lambda: photo().convert("1"), "TIFF", {"compression": "group4"}),
    *[(f"tiff orientation {i}", photo, "TIFF", {"tiffinfo": {274: i}}) for i in range(1, 9)],
    ("webp lossless", photo, "WEBP", {"lossless": True}),
    ("webp lossless alpha", rgba, "WEBP", {"lossless": True, "exact": True}),
    ("webp animation", photo, "WEBP", {"lossless": True, **animation()}),
    ("webp animation alpha", rgba, "WEBP", {"lossless": True, **animation()}),
]


@pytest.mark.parametrize("name, make, format, options", EXACT, ids=[case[0] for case in EXACT])
def test_lossless_formats_give_pillows_pixels(probe, tmp_path, name, make, format, options):
    file = tmp_path / "named wrongly.txt"
    make().save(file, format, **options)
    assert difference(probe(file), Image.open(file)) == 0
    assert not probe.truncated


@pytest.mark.parametrize("data", [
    b"P2\n# a comment\n3 2\n255\n0 1 2\n 3 4 # another\n255\n",
    b"P3 2 1 100\n0 20 30 100 12 40\n",
    b"P1\n4 2\n1010\n0 1 0 1\n",
    b"P6 2 1 1000\n" + np.array([0, 200, 300, 1000, 2000, 400], ">u2").tobytes(),
    b"P6 2 1 100\n" + bytes([0, 20, 30, 100, 120, 40]),
    b"P6 2 1 65535\n" + np.array([0, 200, 300, 1000, 65535, 32768], ">u2").tobytes(),
], ids=["P2", "P3", "P1", "P6 wide", "P6 short", "P6 16 bit"])  # fmt: skip
def test_netpbm_by_hand(probe, tmp_path, data):
    (tmp_path / "a.ppm").write_bytes(data)
    assert difference(probe(tmp_path / "a.ppm"), Image.open(tmp_path / "a.ppm")) == 0


def test_16_bit_gray_keeps_its_high_byte(probe, tmp_path):
    """Pillow turns every value above 255 white, so numpy is the reference."""
    values = np.asarray(gray16())
    for format in ("PNG", "TIFF"):
        gray16().save(tmp_path / "a", format)
        assert (probe(tmp_path / "a") == (values >> 8)[..., None]).all()
        low = Image.fromarray((values % 256).astype(np.uint16))
        low.save(tmp_path / "a", format)
        assert (probe(tmp_path / "a") == (values % 256)[..., None]).all()
    gray16().save(tmp_path / "a", "PPM")
    assert (probe(tmp_path / "a") == np.rint(values / 65535 * 255)[..., None]).all()
    for data in (b"P2 4 1 1000\n0 200 3 1000\n", b"P5 4 1 1000\n" + np.array([0, 200, 3, 1000], ">u2").tobytes()):
        (tmp_path / "a").write_bytes(data)
        assert probe(tmp_path / "a")[0, :, 1].tolist() == [0, 51, 1, 255]


def bmp(bits, compression, pixels, palette=b"", masks=b"", width=5, height=3, top_down=False):
    offset = 14 + 40 + len(masks) + len(palette)
    words = lambda *values: b"".join(int(v).to_bytes(4, "little", signed=v < 0) for v in values)  # noqa: E731
    planes = (1).to_bytes(2, "little") + bits.to_bytes(2, "little")
    info = words(40, width, -height if top_down else height) + planes + words(compression, len(pixels), 0, 0, len(palette) // 4, 0)
    return b"BM" + words(offset + len(pixels), 0, offset) + info + masks + palette + pixels


COLOURS = bytes(v for i in range(16) for v in (i * 16, 255 - i * 9, i * 5, 0))
RLE8 = bytes([3, 1, 2, 2, 0, 0, 0, 5, 4, 5, 6, 7, 8, 0, 0, 0, 2, 9, 0, 2, 1, 0, 2, 3, 0, 1])
RLE4 = bytes([5, 0x12, 0, 0, 0, 5, 0x45, 0x67, 0x80, 0, 0, 0, 5, 0x9A, 0, 1])
MASKS16 = b"".join(v.to_bytes(4, "little") for v in (0xF800, 0x7E0, 0x1F))
MASKS32 = b"".join(v.to_bytes(4, "little") for v in (0xFF000000, 0xFF0000, 0xFF00))
BMPS = {
    "rle8": bmp(8, 1, RLE8, COLOURS),
    "rle4": bmp(4, 2, RLE4, COLOURS),
    "4 bits": bmp(4, 0, bytes(range(0x12, 0x12 + 12)), COLOURS),
    "15 bits": bmp(16, 0, bytes(range(100, 136))),
    "16 bits": bmp(16, 3, bytes(range(100, 136)), masks=MASKS16),
    "32 bits masks": bmp(32, 3, bytes(range(100, 160)), masks=MASKS32),
    "top down": bmp(24, 0, bytes(range(48)), top_down=True),
}


@pytest.mark.parametrize("name", BMPS)
def test_bitmaps_by_hand(probe, tmp_path, name):
    (tmp_path / "a.bmp").write_bytes(BMPS[name])
    assert difference(probe(tmp_path / "a.bmp"), Image.open(tmp_path / "a.bmp")) == 0


def test_interlaced_and_deep_png(probe, tmp_path):
    import zlib

    def chunk(name, data):
        return len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")

    rng = np.random.default_rng(1)
    for colour, channels in ((2, 3), (6, 4), (4, 2)):
        rows = b"".join(b"\0" + rng.integers(0, 256, 9 * channels * 2, dtype=np.uint8).tobytes() for _ in range(7))
        head = (9).to_bytes(4, "big") + (7).to_bytes(4, "big") + bytes([16, colour, 0, 0, 0])
        data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
        (tmp_path / "a.png").write_bytes(data)
        assert difference(probe(tmp_path / "a.png"), Image.open(tmp_path / "a.png")) == 0

    # Adam7 of an 8-bit gray picture.
    pixels = rng.integers(0, 256, (13, 11), dtype=np.uint8)
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    rows = b"".join(b"\0" + row.tobytes() for x, y, dx, dy in passes for row in pixels[y::dy, x::dx] if row.size)
    head = (11).to_bytes(4, "big") + (13).to_bytes(4, "big") + bytes([8, 0, 0, 0, 1])
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(data)
    assert (probe(tmp_path / "a.png")[..., 0] == pixels).all()
    assert difference(probe(tmp_path / "a.png"), Image.open(tmp_path / "a.png")) == 0


JPEGS = {
    "444": (photo, {"subsampling": 0}),
    "422": (photo, {"subsampling": 1}),
    "420": (photo, {"subsampling": 2}),
    "progressive": (photo, {"progressive": True}),
    "gray": (lambda: photo().convert("L"), {}),
    "cmyk": (lambda: photo().convert("CMYK"), {}),
    "rgb": (photo, {"keep_rgb": True}),
    "low quality": (photo, {"quality": 10}),
    "noise": (noise, {"quality": 95}),
    "odd": (lambda: photo(33, 17), {}),
    "one pixel": (lambda: photo(1, 1), {}),
    "orientation": (photo, {"exif": "orientation"}),
}
# Both are libjpeg-turbo with the exact integer DCT: measured 0 on every case here and on 300 photos. One level is
# left for other versions of the library.
JPEG_TOLERANCE = 1


@pytest.mark.parametrize("name", JPEGS)
def test_jpeg(probe, tmp_path, name):
    make, options = JPEGS[name]
    if "exif" in options:
        exif = Image.Exif()
        exif[274] = 6
        options = {"exif": exif}
    make().save(tmp_path / "a", "JPEG", **options)
    assert difference(probe(tmp_path / "a"), Image.open(tmp_path / "a")) <= JPEG_TOLERANCE


def test_lossy_webp(probe, tmp_path):
    """Measured 0; another version of libwebp may round the colours in another way."""
    photo().save(tmp_path / "a", "WEBP", quality=80)
    assert difference(probe(tmp_path / "a"), Image.open(tmp_path / "a")) <= 2


@pytest.mark.parametrize("format", ["JPEG", "PNG", "BMP", "PPM", "TIFF"])
def test_truncated(probe, tmp_path, monkeypatch, format):
    data = io.BytesIO()
    photo(200, 150).save(data, format)
    (tmp_path / "a").write_bytes(data.getvalue()[: len(data.getvalue()) // 2])
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    ours, theirs = probe(tmp_path / "a"), np.asarray(Image.open(tmp_path / "a").convert("RGB"))
    assert probe.truncated
    # Where exactly the data break off differs by a few rows at most; above and below it is the same.
    rows = np.abs(ours.astype(int) - theirs.astype(int)).max((1, 2)) > JPEG_TOLERANCE
    assert rows.sum() <= 24, rows.sum()
    assert (ours[-1] == theirs[-1]).all() or format == "BMP"


def test_formats_that_are_refused(probe, tmp_path):
    photo().save(tmp_path / "a.jpg", "GIF")
    with pytest.raises(ValueError, match="a.jpg: Images of the format GIF are not supported"):
        probe(tmp_path / "a.jpg")


# --- Operations. The references are torchvision's formulas for Pillow images. ---


def pillow_resize(image, size):
    width, height = image.size
    short, long = min(width, height), max(width, height)
    other = int(size * long / short)
    return bilinear(image, *((size, other) if width <= height else (other, size)))


def pillow_center_crop(image, size):
    width, height = image.size
    if size > width or size > height:
        left, top = max(0, (size - width) // 2), max(0, (size - height) // 2)
        image = ImageOps.expand(image, (left, top, max(0, (size - width + 1) // 2), max(0, (size - height + 1) // 2)))
        width, height = image.size
    top, left = int(round((height - size) / 2.0)), int(round((width - size) / 2.0))
    return image.crop((left, top, left + size, top + size))


def pillow_hue(image, turns):
    hue, saturation, value = image.convert("HSV").split()
    shifted = np.array(hue, dtype=np.uint8) + np.array(int(turns * 255) % 256, dtype=np.uint8)
    return Image.merge("HSV", (Image.fromarray(shifted.astype(np.uint8), "L"), saturation, value)).convert("RGB")


def pillow_affine(image, degrees):
    angle = math.radians(degrees)
    x, y = image.width * 0.5, image.height * 0.5
    matrix = [math.cos(angle), math.sin(angle), 0.0, -math.sin(angle), math.cos(angle), 0.0]
    matrix[2] = matrix[0] * -x + matrix[1] * -y + x
    matrix[5] = matrix[3] * -x + matrix[4] * -y + y
    return image.transform(image.size, Image.AFFINE, matrix, Image.NEAREST)


def perspective_map(image, corners):
    width, height = image.size
    start = [(0, 0), (width - 1, 0), (width - 1, height - 1), (0, height - 1)]
    end = list(zip(corners[::2], corners[1::2]))
    rows = []
    for (px, py), (qx, qy) in zip(end, start):
        rows.append([px, py, 1, 0, 0, 0, -qx * px, -qx * py])
        rows.append([0, 0, 0, px, py, 1, -qy * px, -qy * py])
    return np.linalg.lstsq(np.array(rows, float), np.array(start, float).ravel(), rcond=None)[0].tolist()


def horizontal_first(filter):
    """Pillow 13 sometimes makes the vertical pass first, which differs by some levels; two calls keep the order."""

    def resize(image, width, height, left=None, top=None, right=None, bottom=None):
        x, y = ((0, image.width), (0, image.height)) if left is None else ((left, right), (top, bottom))
        across = image.resize((width, image.height), filter, box=(x[0], 0, x[1], image.height))
        return across.resize((width, height), filter, box=(0, y[0], width, y[1]))

    return resize


bilinear, bicubic = horizontal_first(Image.BILINEAR), horizontal_first(Image.BICUBIC)


REFERENCES = {
    "bilinear": bilinear,
    "bicubic": bicubic,
    "nearest": lambda image, *size: image.resize(size, Image.NEAREST),
    "box": lambda image, *a: bilinear(image, *a[4:], *a[:4]),
    "box_portable": lambda image, *a: bilinear(image, *a[4:], *a[:4]),
    "resize": pillow_resize,
    "resized_crop": lambda image, x, y, w, h, size: bilinear(image.crop((x, y, x + w, y + h)), size, size),
    "center_crop": pillow_center_crop,
    "crop": lambda image, x, y, w, h: image.crop((x, y, x + w, y + h)),
    "pad": lambda image, by: ImageOps.expand(image, by),
    "hflip": lambda image: image.transpose(Image.FLIP_LEFT_RIGHT),
    "vflip": lambda image: image.transpose(Image.FLIP_TOP_BOTTOM),
    "grayscale": lambda image: image.convert("L").convert("RGB"),
    "brightness": lambda image, factor: ImageEnhance.Brightness(image).enhance(factor),
    "contrast": lambda image, factor: ImageEnhance.Contrast(image).enhance(factor),
    "saturation": lambda image, factor: ImageEnhance.Color(image).enhance(factor),
    "hue": pillow_hue,
    "rotate": lambda image, degrees: image.rotate(degrees, Image.NEAREST),
    "affine": pillow_affine,
    "png": lambda image, level: image,
}

CALLS = [
    "bilinear:40,30", "bilinear:97,30", "bilinear:40,61", "bilinear:300,200", "bilinear:1,1", "bilinear:97,61", "bilinear:7,400",
    "bicubic:40,30", "bicubic:300,200", "bicubic:3,5", "nearest:40,30", "nearest:300,201", "nearest:33,7",
    "box:3.5,2.25,60.75,41.5,32,32", "box:10,10,42,42,32,32", "box:0.5,0.5,50.5,50.5,100,100",
    "box_portable:3.5,2.25,60.75,41.5,32,32", "box_portable:0,0,97,61,40,30",
    "resize:32", "resize:61", "resize:100", "resized_crop:5,7,40,31,24", "resized_crop:60,40,37,21,64", "resized_crop:0,0,1,1,9",
    "center_crop:32", "center_crop:33", "center_crop:80", "center_crop:101", "center_crop:200", "crop:4,5,20,30", "crop:-3,50,120,20",
    "pad:0", "pad:7", "hflip", "vflip", "grayscale",
    *[f"{name}:{factor}" for name in ("brightness", "contrast", "saturation") for factor in (0, 0.3, 0.77, 1, 1.4, 2.5)],
    *[f"hue:{turns}" for turns in (-0.5, -0.31, -0.003, 0, 0.1, 0.25, 0.5)],
    *[f"rotate:{degrees}" for degrees in (0, 13.7, 45, 90, 123.456, 180, 270, -30, -90, 359.99, 400)],
    *[f"affine:{degrees}" for degrees in (0, 13.7, 45, 90, -123.456, 180)],
    "png:1", "png:9",
]  # fmt: skip


def compare(probe, path, image, call):
    name, _, arguments = call.partition(":")
    values = [float(a) if "." in a else int(a) for a in arguments.split(",") if a]
    return difference(probe(path, call), REFERENCES[name](image, *values))


@pytest.mark.parametrize("call", CALLS)
def test_operation(probe, tmp_path, call):
    for image in (photo(), noise(97, 61), photo(60, 60, 3)):
        if call.startswith(("resized", "box")) and image.width == 60:
            continue
        image.save(tmp_path / "a.png")
        assert compare(probe, tmp_path / "a.png", image, call) == 0


def test_random_resizes_and_turns(probe, tmp_path):
    rng = np.random.default_rng(5)
    for seed in range(40):
        image = photo(int(rng.integers(1, 150)), int(rng.integers(1, 150)), seed) if seed % 2 else noise(int(rng.integers(1, 90)), 37, seed)
        image.save(tmp_path / "a.png")
        size = f"{rng.integers(1, 200)},{rng.integers(1, 200)}"
        for call in (f"bilinear:{size}", f"bicubic:{size}", f"nearest:{size}", f"rotate:{rng.uniform(-180, 180):.9f}",
                     f"affine:{rng.uniform(-180, 180):.9f}"):  # fmt: skip
            assert compare(probe, tmp_path / "a.png", image, call) == 0, (image.size, call)


def test_the_order_of_the_passes_changes_bilinear_by_a_level_at_most(probe, tmp_path):
    for seed in range(10):
        image = photo(80, 140, seed)
        image.save(tmp_path / "a.png")
        assert difference(probe(tmp_path / "a.png", "bilinear:75,33"), image.resize((75, 33), Image.BILINEAR)) <= 1


@pytest.mark.parametrize("corners", [(5, 3, 90, 10, 80, 55, 10, 50), (0, 0, 96, 0, 96, 60, 0, 60), (24, 15, 49, 0, 96, 30, 0, 31)])
def test_perspective(probe, tmp_path, corners):
    for image in (photo(), noise(97, 61), photo(60, 60, 3)):
        image.save(tmp_path / "a.png")
        solved = perspective_map(image, corners)
        call = "perspective_map:" + ",".join(repr(value) for value in solved)
        reference = np.asarray(image.transform(image.size, Image.PERSPECTIVE, solved, Image.BILINEAR)).astype(int)
        assert np.abs(probe(tmp_path / "a.png", call) - reference).max() <= 1
        # With our own solution of the equations, pixels whose origin is exactly on the border may be in or out.
        ours = probe(tmp_path / "a.png", "perspective:" + ",".join(map(str, corners)))
        assert (np.abs(ours - reference).max(-1) > 1).mean() < 0.002


def test_every_colour_turns_its_hue_as_in_pillow(probe, tmp_path):
    levels = np.array([0, 1, 2, 17, 63, 64, 100, 127, 128, 129, 180, 200, 201, 230, 253, 254, 255, 33, 77, 91, 5, 250, 140, 160, 40])
    colours = np.stack(np.meshgrid(levels, levels, levels), -1).astype(np.uint8).reshape(-1, 25 * 25, 3)
    image = Image.fromarray(colours)
    image.save(tmp_path / "a.png")
    for turns in (0, 0.123, -0.37):
        assert difference(probe(tmp_path / "a.png", f"hue:{turns}"), pillow_hue(image, turns)) == 0


# --- Parts of JPEGs ---


@pytest.mark.parametrize("options", [{"subsampling": 0}, {"subsampling": 1}, {"subsampling": 2}, {"progressive": True}],
                         ids=["444", "422", "420", "progressive"])  # fmt: skip
def test_part_of_a_jpeg(probe, tmp_path, options):
    """Without scaling a part equals the crop of the whole."""
    path = tmp_path / "a.jpg"
    photo(203, 157).save(path, "JPEG", **options)
    whole = Image.fromarray(probe(path))
    rng = np.random.default_rng(7)
    for _ in range(60):
        w, h = int(rng.integers(1, 204)), int(rng.integers(1, 158))
        x, y = int(rng.integers(0, 204 - w)), int(rng.integers(0, 158 - h))
        ours = probe(path, f"region:{x},{y},{w},{h},{w},{h}")
        assert difference(ours, whole.crop((x, y, x + w, y + h))) == 0, (x, y, w, h)


def test_scaled_part_of_a_jpeg(probe, tmp_path):
    """With scaling it looks the same: the mean error stays small, and no shift by half a pixel hides in it."""
    path = tmp_path / "a.jpg"
    photo(640, 480).resize((1280, 960), Image.BICUBIC).save(path, "JPEG", quality=95)
    whole = Image.fromarray(probe(path))
    rng = np.random.default_rng(8)
    for _ in range(20):
        w, h = int(rng.integers(300, 1200)), int(rng.integers(300, 900))
        x, y = int(rng.integers(0, 1280 - w)), int(rng.integers(0, 960 - h))
        ours = probe(path, f"region:{x},{y},{w},{h},64,64").astype(float)
        theirs = np.asarray(whole.crop((x, y, x + w, y + h)).resize((64, 64), Image.BILINEAR)).astype(float)
        shifted = np.asarray(whole.crop((x + 4, y, x + 4 + w, y + h)).resize((64, 64), Image.BILINEAR)).astype(float)
        error = np.abs(ours - theirs).mean()
        assert error < 2.0, (x, y, w, h, error)
        assert error < np.abs(ours - shifted).mean()


@pytest.mark.skipif(not REAL, reason="ROOST_TEST_IMAGES does not name a folder with JPEGs")
def test_real_photos(probe):
    for path in REAL:
        image = Image.open(path).convert("RGB")
        assert difference(probe(path), image) <= JPEG_TOLERANCE, path
        if difference(probe(path), image):
            continue  # the operations would carry the difference on
        for call in ("resize:256", "center_crop:224", "rotate:17.5", "hue:0.1", "contrast:1.3", "saturation:0.5", "affine:-8.25"):
            assert compare(probe, path, image, call) == 0, (path, call)
