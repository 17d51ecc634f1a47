"""Reads the names of a model's outputs from the files that people have: lines, or JSON."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from maskscope.errors import ModelError

_MOST_BYTES = 1 << 20
_EXPECTED = "a name on each line, a JSON list of names, or a JSON object of names and numbers"


def read_names(file: Path) -> tuple[str, ...]:
    """The names of a model's outputs, in their order; "" for an output without one.

    Raises ModelError when the file can't be read, or holds no names.
    """
    try:
        if file.stat().st_size > _MOST_BYTES:
            raise _refusal(file, f"{file.stat().st_size:,} bytes")
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ModelError(f"can't be read ({error.strerror or error})", file=file) from error
    except UnicodeDecodeError as error:
        raise _refusal(file, f"no UTF-8 text: {error.reason}") from error
    if not text.lstrip().startswith(("[", "{")):
        names = tuple(line.strip() for line in text.rstrip().splitlines())
    else:
        try:
            names = _names_of_json(json.loads(text))
        except RecursionError as error:
            raise _refusal(file, "JSON that nests too deep") from error
        except ValueError as error:
            raise _refusal(file, str(error)) from error
    if not any(names):
        raise _refusal(file, "no name")
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise _refusal(file, f"{twice[0]!r} twice")
    return names


def _names_of_json(value: Any) -> tuple[str, ...]:
    if isinstance(value, Mapping):
        for inner in ("id2label", "label2id"):
            if isinstance(value.get(inner), Mapping):
                return _numbered(value[inner])
        return _numbered(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return tuple("" if name is None else str(name) for name in value)
    raise ValueError(f"{type(value).__name__}")


def _numbered(value: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of {name: number}, or of {number: name}, by their numbers."""
    if all(isinstance(number, int) for number in value.values()):
        by_number = {number: name for name, number in value.items()}
    elif all(key.isascii() and key.isdecimal() for key in value):
        by_number = {int(key): str(name) for key, name in value.items()}
    else:
        raise ValueError("an object whose values are no numbers")
    if len(by_number) != len(value):
        raise ValueError("a number twice")
    if by_number and not (min(by_number) >= 0 and max(by_number) < 100_000):
        raise ValueError(f"the numbers {min(by_number)} to {max(by_number)}")
    return tuple(by_number.get(number, "") for number in range(max(by_number, default=-1) + 1))


def _refusal(file: Path, received: str) -> ModelError:
    return ModelError("holds no names of outputs", file=file, expected=_EXPECTED, received=received)
