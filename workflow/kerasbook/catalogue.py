"""The data sets that the chapters use: where each comes from and how to know it is right."""

from pathlib import Path, PurePosixPath
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from kerasbook.errors import KerasbookError
from kerasbook.validation import Strict, nearest, read_yaml, validate

EDITIONS = ("bundled", "book", "smoke")
ROLES = {
    "idx_images": {"train_images", "train_labels", "test_images", "test_labels"},
    "csv_points": {"table"},
    "bundled": set(),
}
# A packed file is at most this much larger than what it holds (gzip's header and stored blocks).
PACKING_SLACK = 1 << 16


def _web_address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ValueError(
            f"found '{value}', expected an address that starts with https:// or http://"
        )
    return value


def _inside(value: str) -> str:
    """A relative path with forward slashes that cannot leave the folder it is joined to."""
    parts = value.split("/")
    if PurePosixPath(value).is_absolute() or "\\" in value or ":" in value:
        raise ValueError(f"found '{value}', expected a relative path with forward slashes")
    if any(part in ("", ".", "..") for part in parts) or not value.isprintable():
        raise ValueError(f"found '{value}', expected a path without empty parts, '.' and '..'")
    return value


def _plain_name(value: str) -> str:
    if "/" in _inside(value) or value.startswith("."):
        raise ValueError(f"found '{value}', expected a plain file name")
    return value


def _digest(value: str) -> str:
    if len(value) != 64 or set(value) - set("0123456789abcdef"):
        raise ValueError(f"found '{value}', expected a SHA-256 as 64 lower-case hex digits")
    return value


WebAddress = Annotated[str, AfterValidator(_web_address)]
InsidePath = Annotated[str, AfterValidator(_inside)]
FileName = Annotated[str, AfterValidator(_plain_name)]
Digest = Annotated[str, AfterValidator(_digest)]
Text = Annotated[str, Field(min_length=1)]


class FileEntry(Strict):
    """One file of a data set.

    `bytes` and `sha256` describe the file as it is served; both are null where
    servers pack the same content differently. `content_bytes` and
    `content_sha256` describe it after decompression (`.gz`) and always hold.
    """

    name: FileName
    role: Text
    urls: list[WebAddress] = Field(min_length=1)
    mirror: InsidePath
    bytes: int | None = Field(default=None, gt=0)
    sha256: Digest | None = None
    content_bytes: int = Field(gt=0)
    content_sha256: Digest

    @property
    def packed(self) -> bool:
        """Whether the content is the decompressed file rather than the file."""
        return self.name.endswith(".gz")

    @property
    def most_bytes(self) -> int:
        """The size in bytes beyond which a download cannot be this file."""
        return self.bytes or self.content_bytes + PACKING_SLACK

    @model_validator(mode="after")
    def _sizes_agree(self) -> "FileEntry":
        if self.sha256 is not None and self.bytes is None:
            raise ValueError(f"{self.name}: found sha256 without bytes, expected both or neither")
        if not self.packed and self.bytes not in (None, self.content_bytes):
            raise ValueError(
                f"{self.name}: found bytes {self.bytes} and content_bytes {self.content_bytes}, "
                "expected equal sizes for a file that is not packed"
            )
        if not self.packed and self.sha256 not in (None, self.content_sha256):
            raise ValueError(
                f"{self.name}: found two digests, expected sha256 and content_sha256 to be equal "
                "for a file that is not packed"
            )
        return self


class Dataset(Strict):
    """One data set: what it is, who made it, its files, and what stands in for it offline."""

    title: Text
    kind: Literal["idx_images", "csv_points", "bundled"]
    licence: Text
    citation: Text
    homepage: WebAddress
    stand_in: str | None = None
    files: list[FileEntry] = Field(default=[])

    @model_validator(mode="after")
    def _files_fit_the_kind(self) -> "Dataset":
        roles = [file.role for file in self.files]
        expected = ROLES[self.kind]
        if sorted(roles) != sorted(expected):
            raise ValueError(
                f"found files with the roles {sorted(roles)}, "
                f"expected exactly {sorted(expected)} for kind '{self.kind}'"
            )
        names = [file.name for file in self.files]
        if len(set(names)) != len(names):
            raise ValueError(f"found the file names {names}, expected no name twice")
        if (self.kind == "bundled") != (self.stand_in is None):
            raise ValueError(
                f"found stand_in {self.stand_in!r} with kind '{self.kind}'; "
                "expected a stand_in for every kind but 'bundled', which has none"
            )
        return self

    def file(self, name: str) -> FileEntry:
        """The file of that name.

        Raises:
            KerasbookError: no such file; names the nearest known one.
        """
        for entry in self.files:
            if entry.name == name:
                return entry
        known = [entry.name for entry in self.files]
        raise KerasbookError(
            f"{self.title}: found no file '{name}'{nearest(name, known)}, "
            f"expected one of: {', '.join(known) or 'none, it is made from installed libraries'}."
        )

    def by_role(self, role: str) -> FileEntry:
        """The one file with that role; the roles of a kind are checked when it is loaded."""
        return next(entry for entry in self.files if entry.role == role)


class Catalogue(Strict):
    """All data sets by name."""

    datasets: dict[FileName, Dataset]

    @model_validator(mode="after")
    def _stand_ins_exist(self) -> "Catalogue":
        bundled = sorted(name for name, one in self.datasets.items() if one.kind == "bundled")
        for name, one in self.datasets.items():
            if one.stand_in is not None and one.stand_in not in bundled:
                raise ValueError(
                    f"datasets.{name}.stand_in: found '{one.stand_in}'"
                    f"{nearest(one.stand_in, bundled)}, expected a data set of kind 'bundled': "
                    f"{', '.join(bundled) or 'there is none'}."
                )
        return self

    def get(self, name: str) -> Dataset:
        """The data set of that name.

        Raises:
            KerasbookError: no such data set; names the nearest known one.
        """
        if name not in self.datasets:
            known = sorted(self.datasets)
            raise KerasbookError(
                f"data set: found '{name}'{nearest(name, known)}, "
                f"expected one of: {', '.join(known)}."
            )
        return self.datasets[name]

    def resolve(self, name: str, edition: str) -> str:
        """The name of the data set that stands for `name` in `edition`.

        In the book edition that is `name` itself, in the others its stand-in.

        Raises:
            KerasbookError: unknown data set or edition.
        """
        dataset = self.get(name)
        if edition not in EDITIONS:
            raise KerasbookError(
                f"edition: found '{edition}'{nearest(edition, list(EDITIONS))}, "
                f"expected one of: {', '.join(EDITIONS)}."
            )
        return name if edition == "book" else dataset.stand_in or name


def load_catalogue(path: str | Path) -> Catalogue:
    """Read and check `config/datasets.yaml`.

    Raises:
        KerasbookError: with a line for every fault that was found.
    """
    return validate(Catalogue, read_yaml(Path(path)), str(path))
