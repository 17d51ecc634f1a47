"""The sizes of a tagger come from the settings of its training."""

import pytest

from maskscope.errors import ModelError
from maskscope.runs import TrainSettings
from maskscope.training.spec import TaggerSpec
from maskscope.types import TagScheme

SCHEME = TagScheme("multiclass", ("O", "a", "b"))


def test_a_tagger_takes_its_sizes_from_the_settings() -> None:
    spec = TaggerSpec.from_settings(SCHEME, 4, TrainSettings(units=5, layers=2, dropout=0.1))
    assert (spec.units, spec.layers, spec.dropout, spec.recurrent_dropout) == (5, 2, 0.1, 0.3)
    assert spec.name == "BiLSTM 2 x 5"
    with pytest.raises(ModelError, match="dim"):
        TaggerSpec(SCHEME, 0)
