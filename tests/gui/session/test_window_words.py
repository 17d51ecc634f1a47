"""What the core says about options of the command line is said of the window's own controls there."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from maskscope.errors import ModelError
from maskscope.keras_io.model_head import ModelHead
from maskscope.keras_io.safety import keras_2_error
from maskscope.runs import OutputMap
from maskscope.types import TagScheme
from maskscope.workflows.model_description import OpenOptions
from maskscope.workflows.output_map import check_scores, output_map, unmatched
from maskscope_gui.session.window_words import window_words

FILE = Path("m.keras")
SCHEME = TagScheme("multiclass", ("O", "LOC", "PER"))
HEAD = ModelHead("linear")


def of_kind(kind: str) -> None:
    check_scores(OutputMap(kind, "", (), (), 3), np.full((2, 3), 7.0, dtype=np.float32), FILE)  # type: ignore[arg-type]


def raised(error: ModelError) -> None:
    raise error


@pytest.mark.parametrize(
    ("refuse", "words"),
    [
        (lambda: raised(keras_2_error(FILE, "2.15", "dense")), "“Save the part that is known…” writes it anew, up to"),
        (lambda: raised(unmatched(FILE, 5, SCHEME)), "; match them in “Open model with options…” (Ctrl+Alt+O);"),
        (lambda: output_map(FILE, HEAD, 3, SCHEME, 8, OpenOptions()), "; say what they are in “Open model with"),
        (lambda: of_kind("probabilities"), "or say what they are in “Open model with options…” (Ctrl+Alt+O); expected"),
        (lambda: of_kind("log"), "; say what they are in “Open model with options…” (Ctrl+Alt+O);"),
    ],
)
def test_a_refusal_names_what_one_does_in_the_window(refuse: Callable[[], object], words: str) -> None:
    with pytest.raises(ModelError) as error:
        refuse()
    assert "--" in str(error.value)
    shown = window_words(str(error.value))
    assert words in shown
    assert "--" not in shown
    assert "FILE" not in shown


def test_values_and_an_unknown_padding_name_the_way_too() -> None:
    values = "predicts no label; open it with --output probabilities, logits or log if that is what they are"
    assert window_words(values).startswith("predicts no label; if they predict labels, say so in “Open")
    padding = "since it is not known what padded positions hold; give --padding."
    assert window_words(padding).endswith("; import the padded arrays themselves (Ctrl+I), which show it.")
    part = "maskscope model FILE.keras --cut NEW.keras saves the part up to its layer 'dense'"
    assert window_words(part) == "“Save the part that is known…” keeps what is known, up to its layer 'dense'"
