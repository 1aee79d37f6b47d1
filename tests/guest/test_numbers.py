"""`image` and `math` give what is specified: in Rust and in C, scalar and with SIMD, on wasm and natively.

All of these give the same bits, for every case below.
"""

from __future__ import annotations

import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from PIL.Image import Resampling
from wasmtime import Engine, ExitTrap, Func, Linker, Module, Store, WasiConfig

from tests.guest import numbers_reference as reference
from tests.guest.claims import SANITIZE
from tests.guest.rust_tools import SIMD, guest
from tests.guest.stand_in import StandIn

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import DTypeLike, NDArray

    from tests.guest.conftest import Compiler

    Filter = Callable[[NDArray, int, int], NDArray]  # type: ignore[type-arg]  # u8 or f32

PROGRAM = Path(__file__).with_name("numbers.c")
CLAIMS = Path(__file__).with_name("numbers_test.c")

# (height, width) before and after: one pixel, odd, equal, thin, wide.
SIZES = [
    ((1, 1), (1, 1)),
    ((1, 1), (3, 5)),
    ((5, 7), (1, 1)),
    ((7, 5), (7, 5)),
    ((13, 17), (5, 31)),
    ((31, 29), (64, 7)),
    ((2, 4096), (3, 224)),
    ((3, 224), (2, 4096)),
    ((480, 640), (224, 224)),
]


@dataclass(frozen=True, slots=True)
class Numbers:
    """What computes: the crate and the headers in wasm without and with SIMD, the headers natively."""

    engine: Engine
    modules: tuple[Module, ...]
    native: Path

    def __call__(
        self,
        dtype: DTypeLike,
        data: NDArray,  # type: ignore[type-arg]  # any type
        *words: object,
    ) -> NDArray:  # type: ignore[type-arg]  # any type
        """Return what a function gives; the same in all of them, to the bit but for those of a NaN."""
        stdin = data.tobytes()
        done = subprocess.run([self.native, *map(str, words)], input=stdin, capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, b"")
        found = (done.stdout, *(self._run(module, words, stdin) for module in self.modules))
        first, *others = (_one_nan(np.frombuffer(each, dtype)) for each in found)
        assert all(other.tobytes() == first.tobytes() for other in others)
        return first

    def _run(self, module: Module, words: tuple[object, ...], stdin: bytes) -> bytes:
        with tempfile.TemporaryDirectory() as scratch:
            files = {name: Path(scratch, name) for name in ("stdin", "stdout", "stderr")}
            files["stdin"].write_bytes(stdin)
            wasi = WasiConfig()
            wasi.argv = ["numbers", *map(str, words)]
            wasi.stdin_file, wasi.stdout_file = str(files["stdin"]), str(files["stdout"])
            wasi.stderr_file = str(files["stderr"])
            linker, store = Linker(self.engine), Store(self.engine)
            linker.define_wasi()
            store.set_wasi(wasi)
            start = linker.instantiate(store, module).exports(store)["_start"]
            assert isinstance(start, Func)
            code = 0
            try:
                start(store)
            except ExitTrap as ended:
                code = ended.code
            del store, start, wasi  # closes the files
            assert code == 0, files["stderr"].read_text(encoding="utf-8")
            return files["stdout"].read_bytes()


def _one_nan(values: NDArray) -> NDArray:  # type: ignore[type-arg]  # any type
    """Return the values with the same bits for each NaN, whose are not specified but for halves."""
    return np.where(np.isnan(values), np.float32("nan"), values) if values.dtype == np.float32 else values


@pytest.fixture(scope="module")
def compute(wasi_sdk: Compiler, sanitizing: Compiler, tmp_path_factory: pytest.TempPathFactory) -> Numbers:
    """Return what computes."""
    engine, out = Engine(), tmp_path_factory.mktemp("numbers")
    guests = [guest("numbers", flags) for flags in ("", SIMD)]
    guests += [
        wasi_sdk.build(PROGRAM, out / name, "-std=c11", "-Wconversion", *flags)
        for name, flags in (
            ("scalar.wasm", ()),
            ("simd.wasm", ("-msimd128",)),
            ("simd-result.wasm", ("-msimd128", "-DGUARD_RESULT")),
        )
    ]
    flags = ("-std=c11", "-ffp-contract=off", "-DWASI_NN_NATIVE", *SANITIZE)
    program = sanitizing.build(PROGRAM, out / "native", *flags)
    return Numbers(engine, tuple(Module.from_file(engine, str(path)) for path in guests), program)


def picture(height: int, width: int, channels: int, dtype: str = "u1") -> NDArray:  # type: ignore[type-arg]
    random = np.random.default_rng([height, width, channels])
    if dtype == "u1":
        return random.integers(0, 256, (height, width, channels), np.uint8)
    return (random.standard_normal((height, width, channels)) * 100).astype(np.float32)


@pytest.mark.parametrize(("before", "after"), SIZES, ids=lambda size: "x".join(map(str, size)))
@pytest.mark.parametrize("dtype", ["u1", "f4"])
@pytest.mark.parametrize("name", ["nearest", "bilinear", "area"])
def test_resizing_is_as_specified(
    compute: Numbers, name: str, dtype: str, before: tuple[int, int], after: tuple[int, int]
) -> None:
    """For f32 the area's sums may differ in the last bit of f64, hence rarely in the last of the result."""
    for channels in (1, 3, 5):
        image = picture(*before, channels, dtype)
        function = f"image_{name}" + ("_f32" if dtype == "f4" else "")
        found = compute(dtype, image, function, *before[::-1], channels, *after[::-1])
        expected = getattr(reference, name)(image, *after).ravel()
        if (name, dtype) == ("area", "f4"):
            np.testing.assert_allclose(found, expected, rtol=2e-7, atol=1e-12)
        else:
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("filter_", [reference.nearest, reference.bilinear, reference.area])
def test_the_reference_shrinks_and_grows_as_the_textbook_says(filter_: Filter) -> None:
    """A picture of its own size stays; a doubled one has what the definition of each filter gives."""
    ramp = np.array([0, 100, 200, 40], np.float32)[None, :, None]
    np.testing.assert_array_equal(filter_(ramp, 1, 4), ramp)
    doubled = {
        "nearest": [0, 0, 100, 100, 200, 200, 40, 40],
        "bilinear": [0, 25, 75, 125, 175, 160, 80, 40],
        "area": [0, 0, 100, 100, 200, 200, 40, 40],
    }
    halved = {"nearest": [100, 40], "bilinear": [50, 120], "area": [50, 120]}
    np.testing.assert_array_equal(filter_(ramp, 1, 8).ravel(), doubled[filter_.__name__])
    np.testing.assert_array_equal(filter_(ramp, 1, 2).ravel(), halved[filter_.__name__])


PILLOW = {"nearest": Resampling.NEAREST, "bilinear": Resampling.BILINEAR, "area": Resampling.BOX}


@pytest.mark.parametrize("dtype", ["u1", "f4"])
@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("nearest", (5, 7), (13, 30)),
        ("nearest", (31, 29), (64, 7)),
        ("bilinear", (5, 7), (13, 30)),
        ("bilinear", (3, 4095), (8, 4096)),
        ("area", (12, 20), (4, 5)),
        ("area", (2, 4096), (1, 512)),
    ],
)
def test_the_reference_agrees_with_pillow(
    name: str, dtype: str, before: tuple[int, int], after: tuple[int, int]
) -> None:
    """Where both mean the same: Pillow smooths when it shrinks, and takes no parts of pixels."""
    image = picture(*before, 1, dtype)
    expected = np.asarray(Image.fromarray(image[:, :, 0]).resize(after[::-1], PILLOW[name]))
    found = getattr(reference, name)(image, *after)[:, :, 0]
    # It rounds bytes after each of two passes.
    tolerance = {"u1": 1, "f4": 1e-3}[dtype] if name != "nearest" else 0
    np.testing.assert_allclose(found.astype(np.float64), expected, rtol=0, atol=tolerance)


def test_the_reference_s_grey_is_pillow_s() -> None:
    image = picture(511, 513, 3)
    np.testing.assert_array_equal(
        reference.grey(image).squeeze(), np.asarray(Image.fromarray(image).convert("L"))
    )


def test_the_area_of_parts_of_pixels_is_exact(compute: Numbers) -> None:
    """3 inputs to 2: each output covers one and a half."""
    row = np.array([[[10], [40], [100]]], np.uint8)
    np.testing.assert_array_equal(compute("u1", row, "image_area", 3, 1, 1, 2, 1), [20, 80])


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_crop_is_a_slice(compute: Numbers, channels: int) -> None:
    image = picture(11, 13, channels)
    found = compute("u1", image, "image_crop", 13, 11, channels, 5, 4, 6, 7)
    np.testing.assert_array_equal(found, image[7:11, 6:11].ravel())


def test_views_with_rows_apart_are_resized_as_whole_ones(compute: Numbers) -> None:
    image = picture(20, 30, 3)
    found = compute("u1", image, "image_inset", 30, 20, 3, 15, 17)
    expected = np.zeros((17, 15, 3), np.uint8)
    expected[1:-1, 1:-1] = reference.bilinear(image[1:-1, 1:-1], 15, 13)
    np.testing.assert_array_equal(found, expected.ravel())


@pytest.mark.parametrize(
    ("height", "width", "channels"), [(1, 1, 1), (5, 7, 3), (2, 4096, 4), (3, 2, 7), (3, 33, 2)]
)
def test_layouts_are_numpy_s_transpositions(compute: Numbers, height: int, width: int, channels: int) -> None:
    image = picture(height, width, channels)
    size = (width, height, channels, width, height)
    planes = np.moveaxis(image, 2, 0)
    np.testing.assert_array_equal(compute("u1", image, "image_hwc_to_chw", *size), planes.ravel())
    back = compute("u1", np.ascontiguousarray(planes), "image_chw_to_hwc", *size)
    np.testing.assert_array_equal(back, image.ravel())
    image = picture(height, width, channels, "f4")
    planes = np.moveaxis(image, 2, 0)
    np.testing.assert_array_equal(compute("f4", image, "image_hwc_to_chw_f32", *size), planes.ravel())
    back = compute("f4", np.ascontiguousarray(planes), "image_chw_to_hwc_f32", *size)
    np.testing.assert_array_equal(back, image.ravel())


@pytest.mark.parametrize("channels", [3, 4])
def test_colours_are_swapped_and_made_grey(compute: Numbers, channels: int) -> None:
    image = picture(511, 513, channels)  # so many that some greys are halves
    size = (513, 511, channels, 513, 511)
    swapped = image.copy()
    swapped[:, :, :3] = image[:, :, 2::-1]
    np.testing.assert_array_equal(compute("u1", image, "image_swap_rgb_bgr", *size), swapped.ravel())
    wide = compute("f4", image.astype(np.float32), "image_swap_rgb_bgr_f32", *size)
    np.testing.assert_array_equal(wide, swapped.ravel())
    found = compute("u1", image, "image_grey", *size)
    np.testing.assert_array_equal(found, reference.grey(image).ravel())
    np.testing.assert_allclose(found, (image[:, :, :3] @ [0.299, 0.587, 0.114]).ravel(), atol=0.51)


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("dtype", ["u1", "f4"])
def test_normalising_is_one_subtraction_and_one_division(compute: Numbers, channels: int, dtype: str) -> None:
    image = picture(33, 65, channels, dtype)
    mean = [np.float32(value) for value in (103.53, 116.28, 123.675, -7, 0)][:channels]
    std = [np.float32(value) for value in (57.375, 1, 58.395, 0.1, 3)][:channels]
    words = (65, 33, channels, 65, 33, *mean, *std)
    suffix = "_f32" if dtype == "f4" else ""
    interleaved = (image.astype(np.float32) - np.array(mean)) / np.array(std)
    for layout, expected in (("hwc", interleaved), ("chw", np.moveaxis(interleaved, 2, 0))):
        found = compute("f4", image, f"image_normalise_{layout}{suffix}", *words)
        np.testing.assert_array_equal(found, expected.ravel())
        found = compute("f2", image, f"image_normalise_{layout}_f16{suffix}", *words)
        np.testing.assert_array_equal(found, expected.astype(np.float16).ravel())


def test_a_deviation_of_0_gives_what_ieee_says(compute: Numbers) -> None:
    image = np.array([[[0], [7], [9]]], np.uint8)
    found = compute("f4", image, "image_normalise_hwc", 3, 1, 1, 3, 1, 7, 0)
    np.testing.assert_array_equal(found, [-np.inf, np.nan, np.inf])


@pytest.mark.parametrize("n", [1, 15, 16, 4097])
def test_bytes_become_other_numbers(compute: Numbers, n: int) -> None:
    values = np.resize(np.arange(256, dtype=np.uint8), n)
    size = (n, 1, 1, n, 1)
    np.testing.assert_array_equal(compute("f4", values, "image_u8_to_f32", *size), values)
    np.testing.assert_array_equal(compute("f2", values, "image_u8_to_f16", *size), values)
    shifted = compute("i1", values, "image_u8_to_i8", *size)
    np.testing.assert_array_equal(shifted, values.astype(np.int16) - 128)


@pytest.mark.parametrize("n", [1, 2, 3, 1000, 4096])
@pytest.mark.parametrize("scale", [0.01, 5.0, 1e4])
def test_softmax_and_sigmoid_are_as_specified_and_right(compute: Numbers, n: int, scale: float) -> None:
    values = (np.random.default_rng(n).standard_normal(n) * scale).astype(np.float32)
    wide = values.astype(np.float64)
    found = compute("f4", values, "math_softmax")
    np.testing.assert_array_equal(found, reference.softmax(values))
    powers = np.exp(wide - wide.max())
    # The difference from the maximum is rounded to f32, and with it the power at 1e4.
    np.testing.assert_allclose(found, powers / powers.sum(), rtol=1e-5, atol=1e-37)
    found = compute("f4", values, "math_sigmoid")
    np.testing.assert_array_equal(found, reference.sigmoid(values))
    with np.errstate(over="ignore"):
        np.testing.assert_allclose(found, 1 / (1 + np.exp(-wide)), rtol=6.1e-8, atol=1e-44)


SPECIAL = (np.nan, np.inf, -np.inf, 0.0, -0.0, 3e38, -3e38, 1e-45, -700.5, -800.0)


@pytest.mark.parametrize("seed", range(20))
def test_special_values_give_the_same_everywhere(compute: Numbers, seed: int) -> None:
    """Some of them among numbers, anywhere in a vector; NumPy says which become NaN, and what is highest."""
    random = np.random.default_rng(seed)
    values = (random.standard_normal(random.integers(1, 40)) * 50).astype(np.float32)
    values[random.random(values.size) < 0.3] = random.choice(SPECIAL[seed % 3 :])
    values[random.integers(values.size)] = random.choice(SPECIAL)
    assert np.isnan(compute("f4", values, "math_softmax")).all() == np.isnan(values).any()
    np.testing.assert_array_equal(np.isnan(compute("f4", values, "math_sigmoid")), np.isnan(values))
    order = np.argsort(-values, kind="stable")
    assert compute("<u4", values, "math_argmax").tolist() == [order[0]]
    np.testing.assert_array_equal(compute("<u4", values, "math_top_k", 3), order[:3])


@pytest.mark.parametrize(("n", "k"), [(1, 1), (5, 9), (1000, 5), (1000, 1000), (4096, 100)])
def test_top_k_is_numpy_s_stable_sort(compute: Numbers, n: int, k: int) -> None:
    """Few distinct values make many ties; the sort also puts NaN last."""
    random = np.random.default_rng(n)
    scores = random.integers(-9, 9, n).astype(np.float32)
    scores[random.random(n) < 0.1] = np.nan
    found = compute("<u4", scores, "math_top_k", k)
    np.testing.assert_array_equal(found, np.argsort(-scores, kind="stable")[:k])


@pytest.mark.parametrize(("min_score", "max_iou", "most"), [(0.0, 0.5, 300), (0.5, 0.3, 300), (0.2, 0.9, 20)])
def test_suppression_is_greedy(compute: Numbers, min_score: float, max_iou: float, most: int) -> None:
    random = np.random.default_rng(most)
    centres, sizes = random.random((300, 2)) * 10, random.random((300, 2)) * 3
    corners = np.concatenate([centres - sizes, centres + sizes], axis=1)
    corners[::7] = corners[::7][:, [2, 1, 0, 3]]  # corners the other way round
    boxes = corners.astype(np.float32)
    scores = (random.integers(0, 50, 300) / 50).astype(np.float32)
    data = np.concatenate([boxes.ravel(), scores])
    found = compute("<u4", data, "math_nms", min_score, max_iou, most)
    assert found.tolist() == reference.nms(boxes, scores, min_score, max_iou, most)


def test_every_half_widens_and_every_kind_of_float_rounds_as_in_numpy(compute: Numbers) -> None:
    halves = np.arange(1 << 16).astype(np.uint16).view(np.float16)
    np.testing.assert_array_equal(compute("f4", halves, "math_f16_to_f32"), halves.astype(np.float32))
    # Each upper half of a float's bits, with lower ones at and beside the midpoints.
    lower = np.array([0, 1, 0xFFF, 0x1000, 0x1001, 0x1FFF, 0xFFFF], np.uint32)
    floats = ((np.arange(1 << 16, dtype=np.uint32) << 16)[:, None] | lower).ravel().view(np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        expected = floats.astype(np.float16)
    found = compute("f2", floats, "math_f32_to_f16")
    np.testing.assert_array_equal(found, expected)
    numbers = ~np.isnan(expected)
    np.testing.assert_array_equal(found.view(np.uint16)[numbers], expected.view(np.uint16)[numbers])


@pytest.mark.parametrize(("dtype", "zero"), [("u1", 128), ("i1", -3), ("u1", 0), ("u1", -(2**31))])
def test_dequantising_is_exact_for_8_bits(compute: Numbers, dtype: str, zero: int) -> None:
    values = np.arange(256, dtype=np.uint8).view(dtype)
    scale = np.float32(0.0078125 * 3)
    found = compute("f4", values, f"math_dequantise_{'u8' if dtype == 'u1' else 'i8'}", scale, zero)
    np.testing.assert_array_equal(found, scale * (values.astype(np.int64) - zero).astype(np.float32))


@pytest.mark.parametrize("zero", [0, 3, 2**31 - 1, -(2**31)])
def test_dequantising_32_bits_rounds_the_difference_once(compute: Numbers, zero: int) -> None:
    edges = [-(2**31), 2**31 - 1, 0, -1, 2**24 + 1, 2**25 + 3]
    values = np.concatenate([edges, np.random.default_rng(0).integers(-(2**31), 2**31, 99)])
    found = compute("f4", values.astype("<i4"), "math_dequantise_i32", 0.3, zero)
    np.testing.assert_array_equal(found, np.float32(0.3) * (values - zero).astype(np.float32))


def verdict(output: str) -> None:
    lines = output.splitlines()
    assert [line for line in lines if not line.startswith("ok: ")] == ["end"]
    # One definition of `check`, all else are its calls.
    assert len(lines) - 1 == CLAIMS.read_text(encoding="utf-8").count(" check(") - 1


@pytest.mark.parametrize("flags", [(), ("-msimd128",)], ids=["scalar", "simd"])
def test_bad_input_to_the_headers_is_refused_in_wasm(
    wasi_sdk: Compiler, tmp_path: Path, flags: tuple[str, ...]
) -> None:
    program = wasi_sdk.build(CLAIMS, tmp_path / "claims.wasm", "-std=c99", "-Wconversion", *flags)
    ran = StandIn().run(program)
    verdict(ran.stdout.decode())
    assert (ran.code, ran.stderr) == (0, "")


def test_bad_input_to_the_headers_is_refused_natively_under_sanitizers(
    sanitizing: Compiler, tmp_path: Path
) -> None:
    program = sanitizing.build(CLAIMS, tmp_path / "claims", "-std=c99", "-DWASI_NN_NATIVE", *SANITIZE)
    ran = subprocess.run([program], capture_output=True, text=True, check=False)
    verdict(ran.stdout)
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.parametrize("dialect", ["c99", "c2x", "c++17"])
@pytest.mark.parametrize("flags", [(), ("-msimd128",)], ids=["scalar", "simd"])
def test_the_headers_are_clean_under_stricter_warnings(
    wasi_sdk: Compiler, tmp_path: Path, dialect: str, flags: tuple[str, ...]
) -> None:
    source = tmp_path / ("test.cpp" if dialect.startswith("c++") else "test.c")
    source.write_text("#include <wasi_nn_image.h>\n", encoding="utf-8")
    strict = ("-Wconversion", "-Wshadow", "-Wcast-align", "-Wundef")
    done = wasi_sdk.run(source, f"-std={dialect}", *strict, *flags, "-fsyntax-only")
    assert (done.returncode, done.stderr) == (0, "")
