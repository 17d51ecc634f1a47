"""How several commands describe a project: its label set and its collisions, as text and for JSON."""

import math
from typing import TYPE_CHECKING

from maskscope.commands.terminal import counted, printable, say

if TYPE_CHECKING:
    from maskscope.padding import Padding
    from maskscope.project import Project
    from maskscope.types import TagScheme

_MAX_RECORDS = 1000
_MAX_LINES = 20


def scheme_record(scheme: "TagScheme") -> dict[str, object]:
    """The label set for JSON."""
    return {
        "kind": scheme.kind,
        "classes": list(scheme.classes),
        "outside": scheme.classes[scheme.outside],
        "spans": scheme.spans,
    }


def scheme_text(scheme: "TagScheme") -> str:
    """The kind of label set, such as "multiclass, BIO spans"."""
    return scheme.kind if scheme.spans is None else f"{scheme.kind}, {scheme.spans} spans"


def padding_record(padding: "Padding | None") -> dict[str, object] | None:
    """What a source was padded with, for JSON; None when that is not known or there was none."""
    if padding is None:
        return None
    value = padding.value
    finite = value if value is not None and math.isfinite(value) else None
    return {"value": finite, "side": padding.side, "text": padding.text}


def collision_records(project: "Project") -> list[dict[str, object]]:
    """The first collisions (at most 1,000) for JSON."""
    return [
        {"sentence": sentence, "position": position, "token": project.sentence(sentence).tokens[position]}
        for sentence, position in project.collisions()[:_MAX_RECORDS].tolist()
    ]


def say_collisions(collisions: list[dict[str, object]], count: int) -> None:
    """Print the first of `count` collisions; nothing when there are none."""
    if not count:
        return
    say(
        f"collisions: {counted(count, 'token')} whose embedding is all zeros, so that Masking(0) takes"
        f" {'it' if count == 1 else 'them'} for padding:"
    )
    for each in collisions[:_MAX_LINES]:
        say(f"  sentence {each['sentence']}, position {each['position']}: {printable(str(each['token']))}")
    if count > _MAX_LINES:
        say(f"  and {count - _MAX_LINES:,} more")
