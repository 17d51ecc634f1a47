"""Which tagger is trained: its label set, its sizes, its dropouts and its mask value."""

from dataclasses import dataclass

from maskscope.engine.activations import HeadActivation
from maskscope.errors import ModelError
from maskscope.runs import MAX_LAYERS, MAX_UNITS, TrainSettings
from maskscope.types import TagScheme

MAX_DIM = 65_536


@dataclass(frozen=True, slots=True)
class TaggerSpec:
    """Masking -> Bidirectional(LSTM) x layers -> Dense. Raises ModelError for a size that makes no sense.

    Attributes:
        scheme: gives the head: one sigmoid for "binary", a softmax over the classes else.
        dim: D of the embeddings.
        units: LSTM units in each direction.
        layers: bidirectional layers, one above the other.
        dropout: share of each layer's outputs dropped in training, 0 <= p < 1.
        recurrent_dropout: share of the recurrent state dropped at each step of training, 0 <= p < 1.
        input_dropout: share of the numbers of each embedding dropped in training, 0 <= p < 1.
        mask_value: a position all of whose numbers equal it is padding to the model.
    """

    scheme: TagScheme
    dim: int
    units: int = 10
    layers: int = 1
    dropout: float = 0.0
    recurrent_dropout: float = 0.3
    mask_value: float = 0.0
    input_dropout: float = 0.0

    def __post_init__(self) -> None:
        for name, most in (("dim", MAX_DIM), ("units", MAX_UNITS), ("layers", MAX_LAYERS)):
            value = getattr(self, name)
            if not isinstance(value, int) or not 1 <= value <= most:
                raise ModelError(
                    f"{name} is out of range", expected=f"a whole number from 1 to {most}", received=repr(value)
                )
        for name in ("dropout", "recurrent_dropout", "input_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ModelError(
                    f"{name} is out of range",
                    expected="0 or more, below 1",
                    received=repr(getattr(self, name)),
                )

    @property
    def head(self) -> HeadActivation:
        """Activation of the last Dense layer."""
        return "sigmoid" if self.scheme.kind == "binary" else "softmax"

    @property
    def name(self) -> str:
        """The layers in a few words: "BiLSTM 10", or "BiLSTM 2 x 10" for two layers."""
        return f"BiLSTM {self.units}" if self.layers == 1 else f"BiLSTM {self.layers} x {self.units}"

    @classmethod
    def from_settings(cls, scheme: TagScheme, dim: int, settings: TrainSettings) -> "TaggerSpec":
        """The tagger that `settings` ask for, over embeddings of `dim` numbers a token."""
        return cls(
            scheme,
            dim,
            units=settings.units,
            layers=settings.layers,
            dropout=settings.dropout,
            recurrent_dropout=settings.recurrent_dropout,
            input_dropout=settings.input_dropout,
        )
