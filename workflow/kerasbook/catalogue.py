"""The data sets that the chapters use: where each comes from and how to know it is right."""

import re
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from kerasbook.editions import EDITIONS
from kerasbook.errors import KerasbookError
from kerasbook.validation import Strict, nearest, read_yaml, validate

# What `load_dataset` gives for a kind follows from the kind alone; which files it is read from,
# from their roles. A role that ends in * may be that of several files.
ROLES: dict[str, tuple[set[str], ...]] = {
    "idx_images": ({"train_images", "train_labels", "test_images", "test_labels"},),
    "csv_points": ({"table"},),
    "tables": ({"train_table", "test_table"},),
    "text": ({"text"},),
    "labelled_texts": (
        {"pickled_female", "pickled_male"},
        {"negative_lines", "positive_lines"},
        {"review_archive"},
    ),
    "pictures": ({"picture*"},),
    "picture_folders": ({"picture_archive"},),
    "keras_weights": ({"weights"},),
    "class_index": ({"class_names"},),
    "word_vectors": ({"vectors"},),
}
Kind = Literal[
    "idx_images",
    "csv_points",
    "tables",
    "text",
    "labelled_texts",
    "pictures",
    "picture_folders",
    "keras_weights",
    "class_index",
    "word_vectors",
]
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


def _md5(value: str) -> str:
    if len(value) != 32 or set(value) - set("0123456789abcdef"):
        raise ValueError(f"found '{value}', expected an MD5 as 32 lower-case hex digits")
    return value


def _pattern(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"found '{value}', expected a regular expression ({error})") from error
    return value


WebAddress = Annotated[str, AfterValidator(_web_address)]
InsidePath = Annotated[str, AfterValidator(_inside)]
FileName = Annotated[str, AfterValidator(_plain_name)]
Digest = Annotated[str, AfterValidator(_digest)]
Md5 = Annotated[str, AfterValidator(_md5)]
Pattern = Annotated[str, AfterValidator(_pattern)]
Text = Annotated[str, Field(min_length=1)]


class FileEntry(Strict):
    """One file of a data set.

    `bytes`, `sha256` and `md5` describe the file as it is served. `content_bytes` and
    `content_sha256` describe what it holds, and hold however it was packed; `content`
    says what that is:

    - `bytes`: the file's bytes, after decompression if its name ends in `.gz`;
    - `members`: the files of an archive (.zip, .tar.gz) whose whole path matches the regular
      expression `members`: the digest of the lines `<SHA-256>  <path>` in the paths' order,
      as the program sha256sum prints them;
    - `tensors`: the weights of a Keras HDF5 file: the digest of `contents.tensors_digest`.

    A file whose publisher tells only an MD5 has that in place of the SHA-256. Where `bytes`
    is not known, `most_bytes` ends a download that cannot be the file. `kaggle` names the
    competition whose rules a user must have accepted to get the file.
    """

    name: FileName
    role: Text
    urls: list[WebAddress] = Field(min_length=1)
    mirror: InsidePath
    kaggle: FileName | None = None
    bytes: int | None = Field(default=None, gt=0)
    most_bytes: int | None = Field(default=None, gt=0)
    sha256: Digest | None = None
    md5: Md5 | None = None
    content: Literal["bytes", "members", "tensors"] = "bytes"
    members: Pattern | None = None
    content_bytes: int | None = Field(default=None, gt=0)
    content_sha256: Digest | None = None

    @property
    def packed(self) -> bool:
        """Whether the content is the decompressed file rather than the file."""
        known = self.content_bytes is not None  # else an MD5 speaks of the file as it is
        return self.content == "bytes" and self.name.endswith(".gz") and known

    @property
    def limit(self) -> int:
        """The size in bytes beyond which a download cannot be this file."""
        return self.bytes or self.most_bytes or self.content_bytes + PACKING_SLACK

    @property
    def content_id(self) -> str:
        """The digest that says what the file holds: its content's SHA-256, else its MD5."""
        return self.content_sha256 or self.md5

    @model_validator(mode="after")
    def _digests_agree(self) -> "FileEntry":
        known = self.content_bytes is not None and self.content_sha256 is not None
        if not known and (self.md5 is None or self.content != "bytes"):
            raise ValueError(
                f"{self.name}: found no content_bytes or no content_sha256, expected both; only a "
                "file with an md5 and content 'bytes' may lack them"
            )
        if self.sha256 is not None and self.bytes is None:
            raise ValueError(f"{self.name}: found sha256 without bytes, expected both or neither")
        if self.bytes is not None and self.most_bytes is not None:
            raise ValueError(f"{self.name}: found bytes and most_bytes, expected one of them")
        if (self.bytes or self.most_bytes) is None and (
            self.content != "bytes" or self.content_bytes is None
        ):
            raise ValueError(f"{self.name}: found neither bytes nor most_bytes, expected one")
        if (self.content == "members") != (self.members is not None):
            raise ValueError(
                f"{self.name}: found members {self.members!r} with content '{self.content}', "
                "expected a pattern of paths for 'members' and for nothing else"
            )
        if self.content == "members" and not self.name.endswith((".zip", ".tar.gz")):
            raise ValueError(f"{self.name}: found content 'members', expected a .zip or .tar.gz")
        return self

    @model_validator(mode="after")
    def _sizes_agree(self) -> "FileEntry":
        if self.packed or self.content != "bytes" or self.content_bytes is None:
            return self
        if self.bytes not in (None, self.content_bytes):
            raise ValueError(
                f"{self.name}: found bytes {self.bytes} and content_bytes {self.content_bytes}, "
                "expected equal sizes for a file that is not packed"
            )
        if self.sha256 not in (None, self.content_sha256):
            raise ValueError(
                f"{self.name}: found two digests, expected sha256 and content_sha256 to be equal "
                "for a file that is not packed"
            )
        return self


class Dataset(Strict):
    """One data set: what it is, who made it, its files, and what stands in for it offline.

    A data set without files is bundled: it is made from what the installed libraries carry.
    """

    title: Text
    kind: Kind
    licence: Text
    citation: Text
    homepage: WebAddress
    stand_in: str | None = None
    files: list[FileEntry] = Field(default=[])

    @property
    def bundled(self) -> bool:
        """Whether it is made from installed libraries, without a download."""
        return not self.files

    @model_validator(mode="after")
    def _files_fit_the_kind(self) -> "Dataset":
        if (self.stand_in is None) != self.bundled:
            raise ValueError(
                f"found stand_in {self.stand_in!r} with {len(self.files)} files; expected a "
                "stand_in for a data set with files, and none for one without"
            )
        if not self.bundled and not any(_fit(self.files, roles) for roles in ROLES[self.kind]):
            expected = " or ".join(str(sorted(roles)) for roles in ROLES[self.kind])
            raise ValueError(
                f"found files with the roles {sorted(file.role for file in self.files)}, "
                f"expected exactly {expected} for kind '{self.kind}'"
            )
        names = [file.name for file in self.files]
        if len(set(names)) != len(names):
            raise ValueError(f"found the file names {names}, expected no name twice")
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

    def digests(self) -> dict[str, str]:
        """What the files hold, by role and name: all that a data set's content depends on."""
        return {f"{file.role}: {file.name}": file.content_id for file in self.files}


def _fit(files: list[FileEntry], roles: set[str]) -> bool:
    """Whether the files have exactly these roles, each once, one that ends in * once or more."""
    found = [file.role for file in files]
    several = {role[:-1] for role in roles if role.endswith("*")}
    single = sorted(role for role in found if role not in several)
    return several <= set(found) and single == sorted(roles - {f"{role}*" for role in several})


class Catalogue(Strict):
    """All data sets by name."""

    datasets: dict[FileName, Dataset]

    @model_validator(mode="after")
    def _stand_ins_exist(self) -> "Catalogue":
        for name, one in self.datasets.items():
            fitting = sorted(
                other
                for other, entry in self.datasets.items()
                if entry.bundled and entry.kind == one.kind
            )
            if one.stand_in is not None and one.stand_in not in fitting:
                raise ValueError(
                    f"datasets.{name}.stand_in: found '{one.stand_in}'"
                    f"{nearest(one.stand_in, fitting)}, expected a data set of kind '{one.kind}' "
                    f"without files: {', '.join(fitting) or 'there is none'}."
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
