"""Pictures: what is read, what is left out by name, and what is refused."""

import io
import struct
import tracemalloc
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image

from kerasbook import pictures
from kerasbook.errors import KerasbookError
from kerasbook.pictures import UnfitPicture
from tests.unit.archive_examples import understated


def encoded(mode="RGB", size=(20, 10), form="JPEG", colour=None, **options):
    """The bytes of a picture of noise (or of one colour)."""
    if colour is None:
        channels = len(Image.new(mode, (1, 1)).getbands())
        shape = (size[1], size[0], channels) if channels > 1 else (size[1], size[0])
        noise = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        image = Image.fromarray(noise, mode=mode)
    else:
        image = Image.new(mode, size, colour)
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def huge_png(width, height):
    """A PNG of a few bytes whose header claims the given size."""

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(b"\0" * 1000)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


def archive(path, files):
    with zipfile.ZipFile(path, "w") as out:
        for name, content in files.items():
            out.writestr(name, content)
    return path


def folders(**more):
    """A small archive's files: two classes, two splits; `more` replaces or adds by path."""
    files = {
        f"data/{split}/{kind}/{kind}{number}.jpg": encoded(colour=colour)
        for split in ("train", "val")
        for kind, colour in (("bees", (200, 180, 0)), ("ants", (90, 20, 10)))
        for number in (1, 2)
    }
    return files | more


def test_a_picture_keeps_its_pixels():
    content = encoded(form="PNG", size=(7, 5))
    expected = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    read = pictures.read_picture(content, "noise.PNG")
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, expected)


@pytest.mark.parametrize("resample", ["bilinear", "nearest"])
def test_resized_as_keras_does(resample):
    from keras.utils import load_img

    content = encoded(size=(31, 17), form="PNG")
    ours = pictures.read_picture(content, "a.png", 12, resample)
    theirs = load_img(io.BytesIO(content), target_size=(12, 12), interpolation=resample)
    np.testing.assert_array_equal(ours, np.asarray(theirs))
    whole = pictures.read_picture(content, "a.png")
    np.testing.assert_array_equal(pictures.resized(whole, 12, resample), ours)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("grey.jpg", encoded("L"), "mode L, expected RGB"),
        ("ink.jpg", encoded("CMYK", colour=(1, 2, 3, 4)), "mode CMYK, expected RGB"),
        ("palette.png", encoded("P", form="PNG", colour=3), "mode P, expected RGB"),
        ("glass.png", encoded("RGBA", form="PNG"), "mode RGBA, expected RGB"),
        ("moving.gif", encoded("P", form="GIF", colour=3), "GIF picture, expected JPEG or PNG"),
        ("gif.jpg", encoded("P", form="GIF", colour=3), "GIF picture, expected JPEG"),
        ("png.jpeg", encoded(form="PNG"), "PNG picture, expected JPEG"),
        ("jpeg.png", encoded(), "JPEG picture, expected PNG"),
        ("text.txt", b"hello", "suffix '.txt'"),
        ("bare", encoded(), "suffix ''"),
        ("empty.jpg", b"", "no JPEG or PNG"),
        ("html.jpg", b"<html>not found</html>", "no JPEG or PNG"),
        ("cut.jpg", encoded(size=(300, 200))[:-2000], "damaged or truncated"),
        ("cut.png", encoded(size=(300, 200), form="PNG")[:-2000], "damaged or truncated"),
        ("header.png", encoded(form="PNG")[:20], "expected"),
        ("bomb.png", huge_png(60_000, 60_000), "pixels"),
        ("large.png", huge_png(10_000, 5_000), "10000 x 5000 pixels"),
    ],
)
def test_unfit_pictures_say_why(name, content, reason):
    with pytest.raises(UnfitPicture, match=name.split(".")[0]) as caught:
        pictures.read_picture(content, name)
    assert reason in caught.value.reason


def test_a_file_too_large_is_not_even_opened(monkeypatch):
    monkeypatch.setattr(pictures, "MOST_BYTES", 100)
    with pytest.raises(UnfitPicture, match="at most 100"):
        pictures.read_picture(encoded(), "large.jpg")


def test_damaged_files_never_crash():
    """Flipped bytes give a picture or a reason, nothing else."""
    generator = np.random.default_rng(1)
    whole = {"a.jpg": encoded(size=(40, 30)), "a.png": encoded(size=(40, 30), form="PNG")}
    read = refused = 0
    for name, content in whole.items():
        for _ in range(150):
            damaged = bytearray(content)
            for place in generator.integers(0, len(content), 8):
                damaged[place] = generator.integers(0, 256)
            try:
                pictures.read_picture(bytes(damaged), name)
                read += 1
            except UnfitPicture:
                refused += 1
    assert read + refused == 300
    assert refused > 50


def test_pack_and_unpack_return_what_went_in():
    generator = np.random.default_rng(2)
    some = [generator.integers(0, 256, (h, w, 3), dtype=np.uint8) for h, w in ((2, 3), (5, 1))]
    pixels, shapes = pictures.pack(some)
    assert pixels.dtype == np.uint8
    assert shapes.dtype == np.int64
    for one, back in zip(some, pictures.unpack(pixels, shapes), strict=True):
        np.testing.assert_array_equal(one, back)
    nothing = pictures.pack([])
    assert pictures.unpack(*nothing) == []


@pytest.mark.parametrize("shapes", [[[2, 3, 3]], [[-2, -3, 3]], [[0, 5, 3]]])
def test_shapes_that_do_not_fit_are_refused(shapes):
    pixels = np.zeros(17, np.uint8)
    with pytest.raises(KerasbookError, match="17 pixel values"):
        pictures.unpack(pixels, np.array(shapes))


def test_single_files(tmp_path):
    (tmp_path / "berry.jpeg").write_bytes(encoded(size=(8, 6)))
    (tmp_path / "grey.jpg").write_bytes(encoded("L"))
    arrays = pictures.load_pictures([tmp_path / "berry.jpeg", tmp_path / "grey.jpg"])
    assert arrays["names"].tolist() == ["berry"]
    assert arrays["shapes"].tolist() == [[6, 8, 3]]
    assert arrays["left_out"].tolist() == [["grey.jpg", "found the mode L, expected RGB"]]


def test_single_files_none_fit_or_missing(tmp_path):
    (tmp_path / "grey.jpg").write_bytes(encoded("L"))
    with pytest.raises(KerasbookError, match=r"grey\.jpg: found the mode L"):
        pictures.load_pictures([tmp_path / "grey.jpg"])
    with pytest.raises(KerasbookError, match=r"none\.jpg: cannot be read"):
        pictures.load_pictures([tmp_path / "none.jpg"])


def test_photographs_of_installed_libraries():
    arrays = pictures.make_photographs()
    assert arrays["names"].tolist() == ["china", "flower", "hopper"]
    assert len(pictures.unpack(arrays["pixels"], arrays["shapes"])) == 3
    assert len(arrays["left_out"]) == 0


def test_folders_are_read_in_a_fixed_order(tmp_path):
    files = folders()
    arrays = pictures.load_picture_folders(archive(tmp_path / "a.zip", files), 16)
    turned = dict(reversed(files.items()))
    again = pictures.load_picture_folders(archive(tmp_path / "b.zip", turned), 16)
    assert arrays["classes"].tolist() == ["ants", "bees"]
    assert arrays["x_train"].shape == (4, 16, 16, 3)
    assert arrays["y_val"].tolist() == [0, 0, 1, 1]
    assert arrays["names_train"].tolist() == [
        "ants/ants1.jpg",
        "ants/ants2.jpg",
        "bees/bees1.jpg",
        "bees/bees2.jpg",
    ]
    assert abs(int(arrays["x_train"][0, 0, 0, 0]) - 90) < 5
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, again[name])


def test_what_does_not_fit_is_left_out_by_name(tmp_path):
    files = folders(
        **{
            "data/train/ants/imageNotFound.gif": encoded("P", form="GIF", colour=1),
            "data/train/ants/cut.jpg": encoded(size=(300, 200))[:-3000],
            "data/val/bees/grey.jpg": encoded("L"),
            "data/readme.txt": b"hello",
            "data/train/ants/line\nend.jpg": encoded(),
        }
    )
    arrays = pictures.load_picture_folders(archive(tmp_path / "a.zip", files), 16)
    left_out = dict(arrays["left_out"].tolist())
    assert len(left_out) == 5
    assert "GIF" in left_out["data/train/ants/imageNotFound.gif"]
    assert "truncated" in left_out["data/train/ants/cut.jpg"]
    assert "mode L" in left_out["data/val/bees/grey.jpg"]
    assert "outside train/<class>/" in left_out["data/readme.txt"]
    assert "outside train/<class>/" in left_out["'data/train/ants/line\\nend.jpg'"]
    assert len(arrays["x_train"]) == len(arrays["x_val"]) == 4


@pytest.mark.parametrize("name", ["../train/ants/a.jpg", "/train/ants/a.jpg", "a\\..\\b.jpg"])
def test_paths_that_leave_the_archive_are_refused(tmp_path, name):
    path = archive(tmp_path / "a.zip", folders(**{name: encoded()}))
    with pytest.raises(KerasbookError, match="paths inside the archive"):
        pictures.load_picture_folders(path)


def test_a_file_without_a_name_is_refused(tmp_path):
    path = archive(tmp_path / "a.zip", folders(nameless=b"x"))
    path.write_bytes(path.read_bytes().replace(b"nameless", b"\0ameless"))
    with pytest.raises(KerasbookError, match="found the path '' in it"):
        pictures.load_picture_folders(path)


@pytest.mark.parametrize(
    ("limit", "value"), [("MOST_ARCHIVE_ENTRIES", 5), ("MOST_ARCHIVE_BYTES", 1000)]
)
def test_archives_that_hold_too_much_are_refused(tmp_path, monkeypatch, limit, value):
    monkeypatch.setattr(pictures, limit, value)
    with pytest.raises(KerasbookError, match="expected at most"):
        pictures.load_picture_folders(archive(tmp_path / "a.zip", folders()))


def test_an_entry_too_large_is_left_out_unread(tmp_path, monkeypatch):
    files = folders(**{"data/train/ants/zeros.jpg": bytes(200_000)})
    monkeypatch.setattr(pictures, "MOST_BYTES", 100_000)
    arrays = pictures.load_picture_folders(archive(tmp_path / "a.zip", files), 16)
    assert "200,000 bytes" in dict(arrays["left_out"].tolist())["data/train/ants/zeros.jpg"]


@pytest.mark.parametrize("damage", ["text", "cut", "content", "offset"])
def test_damaged_archives_are_refused(tmp_path, damage):
    path = archive(tmp_path / "a.zip", folders())
    content = bytearray(path.read_bytes())
    if damage == "text":
        content = b"no archive"
    elif damage == "cut":
        content = content[: len(content) // 2]
    elif damage == "offset":  # the files lie before the archive's beginning
        content[content.rindex(b"PK\x05\x06") + 18] ^= 0x80
    else:  # within the first picture: its checksum no longer fits
        content[200] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(KerasbookError, match=r"a\.zip: found no readable zip archive"):
        pictures.load_picture_folders(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_an_archive_that_unpacks_to_more_than_it_claims_is_refused(tmp_path, method):
    name = "data/train/ants/a.jpg"
    content = understated([(name, encoded() + bytes(30_000_000))], method, 100)
    (tmp_path / "a.zip").write_bytes(content)
    tracemalloc.start()
    with pytest.raises(KerasbookError, match=r"a\.zip: found") as caught:
        pictures.load_picture_folders(tmp_path / "a.zip", 16)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 1e6
    if method != zipfile.ZIP_DEFLATED:
        assert f"'{name}' in it, packed by the method {method}" in str(caught.value)


def test_missing_archive_class_or_split(tmp_path):
    with pytest.raises(KerasbookError, match="not found"):
        pictures.load_picture_folders(tmp_path / "none.zip")
    files = {name: one for name, one in folders().items() if "val/bees" not in name}
    with pytest.raises(KerasbookError, match=r"\['ants'\] in val"):
        pictures.load_picture_folders(archive(tmp_path / "a.zip", files))
    files = {name: one for name, one in folders().items() if "train" not in name}
    with pytest.raises(KerasbookError, match="nothing in train"):
        pictures.load_picture_folders(archive(tmp_path / "b.zip", files))
    files = {name: one for name, one in folders().items() if "bees" not in name}
    with pytest.raises(KerasbookError, match="each of two"):
        pictures.load_picture_folders(archive(tmp_path / "c.zip", files))


def test_patches_of_training_and_validation_share_no_pixel():
    arrays = pictures.make_photo_patches()
    photographs = pictures.make_photographs()
    whole = dict(
        zip(photographs["names"], pictures.unpack(photographs["pixels"], photographs["shapes"]))
    )
    assert arrays["classes"].tolist() == ["china", "flower"]
    for split, offset in (("train", 0), ("val", 320)):
        assert set(arrays[f"y_{split}"]) == {0, 1}
        for patch, name in zip(arrays[f"x_{split}"], arrays[f"names_{split}"], strict=True):
            kind, place = name.removesuffix(".png").split("/")
            row, column = (int("".join(filter(str.isdigit, one))) for one in place.split("_"))
            assert column + pictures.PATCH <= 320
            part = whole[kind][row : row + 64, offset + column : offset + column + 64]
            np.testing.assert_array_equal(patch, part)


def test_smoke_cut_keeps_both_classes():
    cut = pictures.smoke_folders(pictures.make_photo_patches(), 6)
    for split in ("train", "val"):
        assert np.bincount(cut[f"y_{split}"]).tolist() == [3, 3]
        assert len(cut[f"x_{split}"]) == len(cut[f"names_{split}"]) == 6


@pytest.mark.book
def test_ants_and_bees(mirror):
    path = mirror / "hymenoptera" / "hymenoptera_data.zip"
    arrays = pictures.load_picture_folders(path)
    assert arrays["classes"].tolist() == ["ants", "bees"]
    assert arrays["x_train"].shape == (244, 224, 224, 3)
    assert arrays["x_val"].shape == (153, 224, 224, 3)
    assert arrays["left_out"][:, 0].tolist() == ["hymenoptera_data/train/ants/imageNotFound.gif"]
