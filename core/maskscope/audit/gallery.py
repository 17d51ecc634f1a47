"""The gallery: sound models that every check must pass, and mutants that some check must reject.

The P are sound models, M1 to M14 mistakes that are made in practice. The X add a mutant for each check that none of
those makes fail. All are small, and none is trained: what an audit finds depends on how a model is built, not on what
it has learned. Which checks must reject a mutant is stated by the checks (`checks.registry.rejected_by`).
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from maskscope.audit.checks.registry import CHECKS
from maskscope.audit.prepare import array_sentences, model_context
from maskscope.audit.probes.audit_probes import AuditProbes
from maskscope.audit.probes.perturbed_weights import frozen_weights
from maskscope.audit.reference_models import mutants, parts, sound
from maskscope.audit.reference_models.parts import Arrays
from maskscope.audit.report import AuditReport
from maskscope.audit.runner import run_checks
from maskscope.jobs import Job

if TYPE_CHECKING:
    from maskscope.keras_io.keras_model import KerasModel

Kind: TypeAlias = Literal["sound", "mutant"]


@dataclass(frozen=True, slots=True)
class GalleryModel:
    """A sound model or a mutant, with its data.

    Attributes:
        name: such as "M3".
        title: what it is, in a few words.
        kind: whether every check must pass it, or some must reject it.
        build: makes the model, with fresh weights.
        data: makes its sentences.
        suffix: of the file that RELOAD writes.
    """

    name: str
    title: str
    kind: Kind
    build: Callable[[], "KerasModel"]
    data: Callable[[], Arrays] = parts.arrays
    suffix: str = ".keras"


GALLERY: tuple[GalleryModel, ...] = (
    GalleryModel("P0", "Masking, BiLSTM, Dense", "sound", sound.p0),
    GalleryModel("P1", "two BiLSTMs, LayerNormalization", "sound", sound.p1),
    GalleryModel("P2", "BatchNormalization after Masking", "sound", sound.p2),
    GalleryModel("P3", "probabilities of 0 and 1", "sound", sound.p3),
    GalleryModel("P4", "frozen Dense before Masking", "sound", sound.p4),
    GalleryModel("P5", "ignore_class of real tokens", "sound", sound.p5),
    GalleryModel("P6", "BatchNormalization with mask=", "sound", sound.p6),
    GalleryModel("P7", "Masking(-0.1), padded with -0.1", "sound", sound.p7, lambda: parts.padded_with(-0.1)),
    GalleryModel("P8", "attention after Masking", "sound", sound.p8),
    GalleryModel("P9", "Conv1D, then mask= by hand", "sound", sound.p9),
    GalleryModel("P10", "positions counted from the left", "sound", sound.p10),
    GalleryModel("P11", "initial_state and mask=", "sound", sound.p11),
    GalleryModel("P12", "residual, attention to a copy", "sound", sound.p12),
    GalleryModel("P13", "go_backwards in Bidirectional", "sound", sound.p13),
    GalleryModel("P14", "an RNN, one output a sentence", "sound", sound.p14),
    GalleryModel("P15", "Masking, padded in front", "sound", parts.classic, parts.padded_in_front),
    GalleryModel("M1", "no Masking", "mutant", mutants.m1),
    GalleryModel("M2", "Dense before Masking", "mutant", mutants.m2),
    GalleryModel("M3", "Conv1D after Masking", "mutant", mutants.m3),
    GalleryModel("M4", "h * 1.0 after Masking", "mutant", mutants.m4),
    GalleryModel("M5", "Add, one branch unmasked", "mutant", mutants.m5),
    GalleryModel("M6", "Concatenate, one unmasked", "mutant", mutants.m6),
    GalleryModel("M7", "Masking(-1), zero padding", "mutant", mutants.m7),
    GalleryModel("M8", "BatchNormalization before Masking", "mutant", mutants.m8),
    GalleryModel("M9", "a plain sigmoid at the end", "mutant", mutants.m9),
    GalleryModel("M10", "max over time as context", "mutant", mutants.m10),
    GalleryModel("M11", "TimeDistributed(Dense)", "mutant", mutants.m11),
    GalleryModel("M12", "backward RNN by hand", "mutant", mutants.m12),
    GalleryModel("M13", "autoencoder with RepeatVector", "mutant", mutants.m13),
    GalleryModel("M14", "a loss that is a mean itself", "mutant", mutants.m14),
    GalleryModel("X1", "GlobalMaxPooling1D as context", "mutant", mutants.x1),
    GalleryModel("X2", "GlobalAveragePooling1D as context", "mutant", mutants.x2),
    GalleryModel("X3", "Masking(-999) in bfloat16", "mutant", mutants.x3, lambda: parts.padded_with(-999.0)),
    GalleryModel("X4", "Precision among the metrics", "mutant", mutants.x4),
    GalleryModel("X5", "Precision among the weighted ones", "sound", sound.x5),
    GalleryModel("X6", "a zero row in a sentence", "mutant", parts.classic, parts.with_a_zero_token),
    GalleryModel("X7", "data by pad_sequences' defaults", "mutant", parts.classic, parts.by_pad_sequences),
    GalleryModel("X8", "saved as .h5", "mutant", parts.classic, suffix=".h5"),
    GalleryModel("X9", "GaussianNoise before Masking", "mutant", mutants.x9),
    GalleryModel("X10", "BatchNormalization without it", "mutant", mutants.x10),
    GalleryModel("X11", "two Conv1D, then mask= by hand", "mutant", mutants.x11),
    GalleryModel("X12", "attention without a mask", "mutant", mutants.x12),
    GalleryModel("X13", "forward RNN, padded in front", "mutant", mutants.x13, parts.padded_in_front),
    GalleryModel("X14", "initial_state without mask=", "mutant", mutants.x14),
    GalleryModel("X15", "residual around attention", "mutant", mutants.x15),
    GalleryModel("X16", "go_backwards, not turned", "mutant", mutants.x16),
    GalleryModel("X17", "a maximum, one output a sentence", "mutant", mutants.x17),
)
"""In the order of the table in docs/audit.md."""


def audit_gallery_model(
    chosen: GalleryModel, job: Job | None = None, checks: Collection[str] = CHECKS
) -> tuple[AuditReport, AuditReport]:
    """Audit one model on its own data, with fresh weights and with weights like those of a trained model.

    The second time N(0, 0.5) is added to every weight that training can change. `checks` are names of those to
    make. Raises Cancelled.
    """
    model = chosen.build()
    x, lengths = chosen.data()
    probes = AuditProbes(model_context(model, array_sentences(x, lengths), reload_suffix=chosen.suffix))
    fresh = run_checks(probes, chosen.name, job, checks)
    rng = np.random.default_rng(1)
    frozen = frozen_weights(model)
    model.set_weights(
        [
            weights if id(variable) in frozen else weights + rng.normal(0, 0.5, weights.shape)
            for variable, weights in zip(model.weights, model.get_weights(), strict=True)
        ]
    )
    probes.forget_outputs()
    return fresh, run_checks(probes, chosen.name, job, checks)


def gallery_model(name: str) -> GalleryModel | None:
    """The model of that name, in any case; None when there is none."""
    return next((each for each in GALLERY if each.name == name.upper()), None)
