"""The details of a model: everything that was found out or chosen when it was opened, in words."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from maskscope.padding import Padding
from maskscope.project import ModelRecord
from maskscope.runs import OutputMap, RunInfo
from maskscope.types import TagScheme
from maskscope_gui.pages.models.model_details import ModelDetails
from maskscope_gui.theme.theme import Style

SCHEME = TagScheme("multiclass", ("O", "person", "place"))
RUN = RunInfo("tagger", 1.5, None, SCHEME, 12, mask_value=-1.0, source="tagger.keras")


def shown(qtbot: QtBot, style: Style, run: RunInfo, padding: Padding | None = None) -> dict[str, str]:
    details = ModelDetails(style)
    qtbot.addWidget(details)
    details.show_model(ModelRecord("m3", Path("models/m3"), run), padding)
    return details.texts


def test_logits_with_mapped_classes_and_a_padding_in_front(qtbot: QtBot, style: Style) -> None:
    output = OutputMap("logits", "softmax", (3, 1, -1), ("PAD", "PER", "LOC", "O"), 4)
    run = replace(RUN, output=output, engine="keras", engine_reason="holds layer 'conv'", notes=("Padded to 12.",))
    padding = Padding(np.full((1, 12), -1, dtype=np.float32), "front")
    assert shown(qtbot, style, run, padding) == {
        "model": "m3 · tagger · opened from tagger.keras",
        "engine": "It runs in Keras, because it holds layer 'conv'.",
        "outputs": "Logits, made probabilities by softmax.",
        "classes": "O from 3 · O, person from 1 · PER, place has none.",
        "mask": "Tokens whose embedding is -1 throughout are masked.",
        "padding": "Sentences are padded with -1, in front of the tokens, as in the source.",
        "notes": "Padded to 12.",
    }


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "No Masking layer reads the embeddings."),
        ((1.0, 2.0), "Tokens whose embedding is one row of 2 numbers are masked."),
        (float("nan"), "Masking(nan) masks nothing."),
    ],
)
def test_every_kind_of_mask_value(
    qtbot: QtBot, style: Style, value: float | tuple[float, ...] | None, words: str
) -> None:
    texts = shown(qtbot, style, replace(RUN, mask_value=value))
    assert texts["mask"] == words
    assert texts["classes"] == "In the order of the project's classes."


def test_values_have_names_and_no_classes(qtbot: QtBot, style: Style) -> None:
    texts = shown(qtbot, style, replace(RUN, output=OutputMap("values", "", (), ("valence", "arousal"), 2)))
    assert texts["outputs"] == "2 values a token: valence, arousal."
    assert "classes" not in texts
    texts = shown(qtbot, style, replace(RUN, output=OutputMap("values", n_outputs=12)))
    assert texts["outputs"] == "Values, as many as an embedding has numbers (12): shown beside it."
