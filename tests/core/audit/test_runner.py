"""The audit of a file and of a project: a sound model passes, what can't be audited is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import keras
import numpy as np
import pytest

from maskscope.audit import audit_arrays, audit_project
from maskscope.audit.checks.registry import CHECKS
from maskscope.audit.probes.context import SAMPLE
from maskscope.errors import Cancelled, ModelError, ReadError
from maskscope.jobs import FlagJob
from maskscope.project import Project, ProjectWriter
from maskscope.types import Sentence
from tests.core.audit.small_models import DIM, LENGTHS, build, head, padded

pytestmark = pytest.mark.keras


def model_file(folder: Path, layer: Callable[[object], object], mask_value: float = 0.0) -> Path:
    """Masking, a layer, Dense, with fresh weights."""
    build(lambda x: head(layer(keras.layers.Masking(mask_value)(x)))).save(folder / "m.keras")
    return folder / "m.keras"


@pytest.fixture(scope="module")
def sound_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Masking, Dense: a sound model that needs little tracing."""
    return model_file(tmp_path_factory.mktemp("sound"), keras.layers.Dense(3))


def test_the_classic_stack_passes_every_check(tmp_path: Path) -> None:
    lstm = keras.layers.LSTM(3, return_sequences=True, unit_forget_bias=False)
    report = audit_arrays(padded(), LENGTHS, model_file(tmp_path, keras.layers.Bidirectional(lstm)))
    assert {finding.check: finding.verdict for finding in report.findings} == dict.fromkeys(CHECKS, "passed")
    assert report.verdict == "passed"
    assert report.sampled == (0, 1, 2, 3)
    assert report.findings[0].tolerance == 1e-6
    record = json.loads(report.to_json())
    assert record["verdict"] == "passed"
    assert record["findings"][0]["check"] == "LENGTH"


def test_an_array_without_padding_is_padded_with_the_mask_value(tmp_path: Path) -> None:
    rnn = keras.layers.SimpleRNN(2, return_sequences=True)
    file = model_file(tmp_path, keras.layers.Bidirectional(rnn), -1.0)
    x = np.random.default_rng(0).normal(size=(3, 4, DIM)).astype(np.float32)
    lengths = np.array([4, 4, 4])
    report = audit_arrays(x, lengths, file, checks=("LENGTH",))
    assert (report.verdict, report.about.padding) == ("passed", -1.0)
    # padding that is in the array, or that is given, comes first
    x[1, 3:] = 0
    assert audit_arrays(x, np.array([4, 3, 4]), file, checks=("LENGTH",)).verdict == "failed"
    assert audit_arrays(x[:1], lengths[:1], file, checks=("LENGTH",), padding=0.0).verdict == "failed"


def test_what_can_not_be_audited_is_refused(sound_file: Path) -> None:
    with pytest.raises(ReadError, match=r"received \(4, 6\) float32"):
        audit_arrays(padded()[..., 0], None, sound_file)
    with pytest.raises(ReadError, match=r"\(4,\) whole numbers"):
        audit_arrays(padded(), np.array([1, 2]), sound_file)
    with pytest.raises(ModelError, match="expected 4 numbers a token; received 2"):
        audit_arrays(padded()[..., :2], LENGTHS, sound_file)
    job = FlagJob()
    job.cancel()
    with pytest.raises(Cancelled):
        audit_arrays(padded(), LENGTHS, sound_file, job)


@pytest.mark.parametrize(
    ("lengths_from", "verdicts"),
    [
        ("source", dict.fromkeys(CHECKS, "passed") | {"COLLISIONS": "failed"}),
        ("inferred", {"COLLISIONS": "failed", "DATA": "could not tell"}),
    ],
)
def test_a_project_is_audited_on_its_own_sentences(
    tmp_path: Path, sound_file: Path, lengths_from: Literal["source", "inferred"], verdicts: dict[str, str]
) -> None:
    rng = np.random.default_rng(0)
    path = tmp_path / "p.maskscope"
    with ProjectWriter(path, DIM, np.dtype(np.float16), classes=("O", "name"), kind="binary") as writer:
        for i in range(50):
            x = rng.normal(size=(1 + i % 7, DIM)).astype(np.float16)
            if i == 34:
                x[2] = 0
            writer.add(Sentence(("w",) * len(x), x))
        writer.finish(source="test", lengths_from=lengths_from)
    with Project.open(path) as project:
        report = audit_project(project, sound_file, checks=verdicts)
    assert {found.check: found.verdict for found in report.findings} == verdicts
    assert len(report.sampled) == SAMPLE
    assert {0, 34} <= set(report.sampled)
    (found,) = [finding for finding in report.findings if finding.check == "COLLISIONS"]
    assert (found.sentence, found.position) == (34, 2)
