"""Sentences to export, which the tests of this folder share."""

import numpy as np

from maskscope.exporters import LabelledSentence

Label = str | None


def labelled(
    tokens: tuple[str, ...],
    labels: tuple[Label, ...],
    *,
    id: int = 0,
    name: str = "",
    comments: tuple[str, ...] = (),
) -> LabelledSentence:
    mask = np.ones(len(tokens), dtype=np.bool_)
    return LabelledSentence(id, name, tokens, labels, labels, None, None, mask, ~mask, "accepted", comments)
