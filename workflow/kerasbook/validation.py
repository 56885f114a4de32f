"""YAML files read, and checked against a pydantic model, with errors a user can act on."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from kerasbook.errors import KerasbookError

Model = TypeVar("Model", bound=BaseModel)


class Strict(BaseModel):
    """A model that refuses keys it does not know and values of another type."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


# The same loader in C, where PyYAML has it, reads in a seventh of the time; each Snakemake reads
# the whole configuration, and on a cluster each job starts two.
class _UniqueKeyLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """PyYAML keeps the last of two equal keys in silence; a learner's second `conv:` is a slip.

    Keys are compared as they are written, before a merge (`<<: *anchor`) adds its own.
    """

    def flatten_mapping(self, node):
        # A mapping that is merged into others comes by again, with what was merged into it.
        checked = self.__dict__.setdefault("checked", {})
        if id(node) not in checked:
            checked[id(node)] = node
            _refuse_repeated_keys(node)
        super().flatten_mapping(node)


def _refuse_repeated_keys(node: yaml.MappingNode) -> None:
    seen = set()
    for key_node, _ in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            continue
        if (key_node.tag, key_node.value) in seen:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {key_node.value!r} stands there twice", key_node.start_mark
            )
        seen.add((key_node.tag, key_node.value))


def read_yaml(path: Path) -> dict:
    """Read a YAML file that holds a mapping.

    Raises:
        KerasbookError: missing file, no YAML, a key given twice, or not a mapping.
    """
    try:
        with open(path, encoding="utf-8") as file:
            value = yaml.load(file, Loader=_UniqueKeyLoader)  # noqa: S506 (a SafeLoader)
    except FileNotFoundError as error:
        raise KerasbookError(f"{path}: not found. Expected a YAML file there.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        told = " ".join(str(error).split())
        raise KerasbookError(f"{path}: is not valid YAML: {told}") from error
    if not isinstance(value, dict):
        found = type(value).__name__
        raise KerasbookError(f"{path}: found {found} at the top, expected `key: value` lines.")
    return value


def retyped(value: Any) -> Any:
    """Numbers, booleans and nulls in what `--config` gives, where lists hold only texts."""
    if isinstance(value, Mapping):
        return {key: retyped(one) for key, one in value.items()}
    if isinstance(value, list):
        return [retyped(one) for one in value]
    if isinstance(value, str) and value.strip():  # YAML reads an empty text as null
        try:
            read = yaml.safe_load(value)
        except yaml.YAMLError:
            return value
        return read if isinstance(read, int | float | bool | None) else value
    return value


def nearest(name: str, known: list[str]) -> str:
    """` (did you mean 'x'?)` for a name close to a known one, else nothing."""
    close = difflib.get_close_matches(str(name), known, n=1, cutoff=0.5)
    return f" (did you mean '{close[0]}'?)" if close else ""


def _fields_at(model: type[BaseModel], location: tuple) -> list[str]:
    """The keys that the model knows where an error was found."""
    fields: set[str] = set()

    def walk(schema: dict, path: tuple, root: dict) -> None:
        while "$ref" in schema:
            schema = root["$defs"][schema["$ref"].rsplit("/", 1)[1]]
        for part in ("anyOf", "oneOf"):
            for option in schema.get(part, []):
                walk(option, path, root)
        if not path:
            fields.update(schema.get("properties", {}))
            return
        head, rest = path[0], path[1:]
        if head in schema.get("properties", {}):
            walk(schema["properties"][head], rest, root)
        elif isinstance(schema.get("additionalProperties"), dict):
            walk(schema["additionalProperties"], rest, root)
        elif "patternProperties" in schema:  # a mapping whose keys have a form
            for option in schema["patternProperties"].values():
                walk(option, rest, root)
        elif "items" in schema and isinstance(head, int):
            walk(schema["items"], rest, root)
        elif "discriminator" in schema:  # the tag of a union stands in the location
            target = schema["discriminator"]["mapping"].get(str(head))
            if target:
                fields.clear()
                walk({"$ref": target}, rest, root)

    schema = model.model_json_schema()
    walk(schema, location, schema)
    return sorted(fields)


def validate(model: type[Model], value: Mapping[str, Any], source: str) -> Model:
    """Build `model` from `value`.

    Args:
        source: what the value was read from, named in the message.

    Raises:
        KerasbookError: with a line for every fault: the key, what was found,
            what was expected, and the nearest known key if a key is unknown.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        lines = []
        for fault in error.errors(include_url=False):
            location = tuple(fault["loc"])
            key = ".".join(str(part) for part in location) or "(top)"
            if fault["type"] == "extra_forbidden":
                known = _fields_at(model, location[:-1])
                hint = nearest(str(location[-1]), known)
                lines.append(f"{key}: unknown key{hint}. Known keys: {', '.join(known)}.")
            elif fault["type"] == "missing":
                lines.append(f"{key}: missing. Expected this key; add it.")
            elif fault["type"] == "union_tag_invalid":
                context = fault["ctx"]
                known = [tag.strip().strip("'") for tag in context["expected_tags"].split(",")]
                hint = nearest(context["tag"], known)
                tag = context["discriminator"].strip("'")
                lines.append(
                    f"{key}.{tag}: found '{context['tag']}'{hint}, "
                    f"expected one of: {', '.join(known)}."
                )
            elif fault["type"] == "literal_error":
                known = fault["ctx"]["expected"].replace(" or ", ", ").replace("'", "").split(", ")
                hint = nearest(str(fault["input"]), known)
                lines.append(
                    f"{key}: found {fault['input']!r}{hint}, expected one of: {', '.join(known)}."
                )
            elif fault["type"] == "value_error":
                told = str(fault["ctx"]["error"])
                lines.append(f"{key}: {told}" if location else told)
            else:
                expected = fault["msg"][0].lower() + fault["msg"][1:]
                lines.append(f"{key}: found {fault['input']!r}; {expected}.")
        raise KerasbookError("\n".join(f"{source}: {line}" for line in lines)) from error
