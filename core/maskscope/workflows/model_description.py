"""What is known of a model's file before it is opened, and what a person chooses about it. Needs no Keras."""

from dataclasses import dataclass
from typing import Literal

from maskscope.runs import Engine
from maskscope.types import MaskValue, OutputKind


@dataclass(frozen=True, slots=True)
class OpenOptions:
    """What a person says about a model that is opened; what is None is found out, or the model is refused.

    Attributes:
        output: what its outputs are.
        columns: for each column of the project's scores, which of the model's outputs it is; -1 for none.
        names: of the model's outputs, to be matched with the project's classes; ignored when there are `columns`.
    """

    output: OutputKind | None = None
    columns: tuple[int, ...] | None = None
    names: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class ModelDescription:
    """A model's file, for the dialog that opens it.

    Attributes:
        name: of the file.
        layers: for a person, such as "Masking, Bidirectional(LSTM), TimeDistributed(Dense)".
        mask: what is masked, in a sentence for a person.
        mask_value: of its Masking layer; None for none.
        n_positions: T when the model can be run on exactly T positions only; None for any length.
        engine: which engine would run it.
        engine_reason: why "keras"; "" for "packed".
        n_outputs: C; 0 when it is not known.
        output: what the outputs are, as far as it can be told; None when a person must say.
        output_reason: how that is known, or why a person must say.
        activation: with which logits become probabilities; "" for other outputs.
        names: of the model's outputs, where a file or the project gives them; else "0", "1", ...
        columns: the suggested class mapping, as of `OpenOptions`; None when a person must choose.
        columns_reason: how that is known, or why a person must choose.
        padding: what sentences are padded with where the model needs it, for a person; "" where none is.
        padding_assumed: True when that is only a guess.
        notes: what is done to run the model, a sentence each.
        refusal: why it can't be opened, one sentence; "" when it can.
        way_out: what helps then: "audit" and "picture" always work on the file itself; "cut" means that the part up to
            the last known layer can be saved as a model of its own.
    """

    name: str
    layers: str = ""
    mask: str = ""
    mask_value: MaskValue | None = None
    n_positions: int | None = None
    engine: Engine = "packed"
    engine_reason: str = ""
    n_outputs: int = 0
    output: OutputKind | None = None
    output_reason: str = ""
    activation: Literal["", "sigmoid", "softmax"] = ""
    names: tuple[str, ...] = ()
    columns: tuple[int, ...] | None = None
    columns_reason: str = ""
    padding: str = ""
    padding_assumed: bool = False
    notes: tuple[str, ...] = ()
    refusal: str = ""
    way_out: tuple[Literal["audit", "picture", "cut"], ...] = ()
