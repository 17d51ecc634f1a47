"""Taggers of many designs, drawn by hypothesis, for the comparison of the engine with Keras.

A design is built twice: as an author may have written it, with TimeDistributed, a fixed length, a fixed batch size and
stateful layers; and plainly, of the same layers for any length, which is the oracle for each sentence alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import keras
import numpy as np
from hypothesis import strategies as st

DIM = 4
LENGTH = 7
"""Positions of the designs with a fixed length."""

layers = keras.layers
Layer: TypeAlias = Any
Tensor: TypeAlias = Any
Model: TypeAlias = Any

MASKS: dict[str, Any] = {
    "none": None,
    "number": -1.5,
    "list": [0.5, -1.0, 2.0, 0.0],
    "equal list": [-1.0] * DIM,
    "array": np.full(DIM, 0.25, dtype=np.float32),
    "numpy scalar": np.float32(3.0),
    "inexact": -0.1,
    "nan": float("nan"),
}
ACTIVATIONS = ("linear", "relu", "tanh", "sigmoid", "softsign", "hard_sigmoid", "elu", "softmax", "log_softmax")


@dataclass(frozen=True)
class Style:
    """How a design is written: as an author does, or (`plain`) as the oracle."""

    plain: bool
    batch: int | None = None
    length: int | None = None

    def per(self, layer: Layer) -> Layer:
        """The layer within a TimeDistributed; the oracle leaves that out, since Keras's own needs a known length."""
        return layer if self.plain else layers.TimeDistributed(layer)

    def softmax(self) -> Layer:
        """A Softmax layer, which fails in Keras under a mask."""
        return layers.Activation("softmax") if self.plain else layers.Softmax()

    @property
    def stateful(self) -> bool:
        return not self.plain and self.batch is not None


Block: TypeAlias = Callable[[Tensor, Style], Tensor]


@st.composite
def recurrent(draw: st.DrawFn) -> Block:
    kind = draw(st.sampled_from([layers.LSTM, layers.GRU, layers.SimpleRNN]))
    how: dict[str, Any] = {"units": draw(st.integers(1, 3)), "use_bias": draw(st.booleans())}
    if draw(st.integers(0, 3)) == 0:
        how["activation"] = draw(st.sampled_from(["relu", "sigmoid", "softsign", "linear"]))
    if kind is not layers.SimpleRNN and draw(st.integers(0, 3)) == 0:
        how["recurrent_activation"] = draw(st.sampled_from(["hard_sigmoid", "relu"]))
    if kind is layers.GRU:
        how["reset_after"] = draw(st.booleans())
    two_ways = draw(st.booleans())
    if not two_ways:
        how["go_backwards"] = draw(st.sampled_from([False, False, True]))
        how["zero_output_for_mask"] = draw(st.sampled_from([False, False, True]))
    merge = draw(st.sampled_from(["concat", "sum", "mul", "ave", None]))
    other = draw(st.sampled_from([None, None, layers.GRU, layers.LSTM])) if merge in ("concat", None) else None
    stateful = draw(st.booleans())

    def block(x: Tensor, style: Style) -> Tensor:
        own = kind(return_sequences=True, stateful=stateful and style.stateful, **how)
        if not two_ways:
            return own(x)
        backward = None
        if other is not None:
            # the units are the same: Keras takes the output of unlike ones for twice as wide as the forward one
            backward = other(how["units"], return_sequences=True, go_backwards=True, stateful=own.stateful)
        both = layers.Bidirectional(own, merge_mode=merge, backward_layer=backward)(x)
        return layers.Concatenate()([both[1], both[0]]) if merge is None else both

    return block


def pointwise() -> st.SearchStrategy[Block]:
    makers: list[Callable[[Style], Layer]] = [
        lambda style: style.per(layers.Dense(3, "tanh")),
        lambda style: layers.Dense(2, "gelu", use_bias=False),
        lambda style: layers.Dense(3, activation=layers.LeakyReLU(negative_slope=0.1)),
        lambda style: style.per(layers.Dropout(0.3)),
        lambda style: style.per(layers.LayerNormalization()),
        lambda style: layers.BatchNormalization(),
        lambda style: style.per(layers.BatchNormalization(scale=False, center=False)),
        lambda style: style.per(layers.Activation("softsign")),
        lambda style: layers.ReLU(max_value=0.6, negative_slope=0.2),
        lambda style: layers.PReLU(shared_axes=[1]),
        lambda style: layers.LeakyReLU(),
        lambda style: layers.ELU(),
        lambda style: layers.Rescaling(0.5, 0.1),
        lambda style: style.softmax(),
        lambda style: keras.Sequential([layers.Dense(3, "relu"), style.per(layers.Dense(2))]),
    ]
    return st.sampled_from(makers).map(lambda maker: lambda x, style: maker(style)(x))


@st.composite
def branches(draw: st.DrawFn, inner: st.SearchStrategy[Block]) -> Block:
    """Branches that meet: joined end to end, or made equally wide and combined."""
    blocks = draw(st.lists(inner, min_size=1, max_size=2))
    mode = draw(st.sampled_from(["Concatenate", "Add", "Multiply", "Average", "Maximum", "Minimum", "Subtract"]))
    around = draw(st.booleans()) or len(blocks) == 1

    def block(x: Tensor, style: Style) -> Tensor:
        found = [each(x, style) for each in blocks]
        if around:
            found = [*found[:1], x]
        if mode != "Concatenate":
            found = [layers.Dense(3)(each) for each in found]
        return getattr(layers, mode)()(found)

    return block


@st.composite
def chains(draw: st.DrawFn, inner: st.SearchStrategy[Block]) -> Block:
    blocks = draw(st.lists(inner, min_size=1, max_size=3))

    def block(x: Tensor, style: Style) -> Tensor:
        for each in blocks:
            x = each(x, style)
        return x

    return block


@dataclass(frozen=True)
class Design:
    """A tagger that can be built in both styles.

    Attributes:
        mask: a name in `MASKS`.
        body: layers between Masking and the head.
        head: activation of the last Dense layer; "" for none of these two.
        apart: whether the activation is a layer of its own.
        fixed: whether the author fixed length and batch size.
    """

    mask: str
    body: Block
    head: str
    apart: bool
    fixed: bool

    def build(self, plain: bool) -> Model:
        """The model; fresh layers each time."""
        style = Style(plain, 2, LENGTH) if self.fixed and not plain else Style(plain)
        inputs = keras.Input((style.length, DIM), batch_size=style.batch)
        x = inputs
        if MASKS[self.mask] is not None:
            x = layers.Masking(mask_value=MASKS[self.mask])(x)
        x = self.body(x, style)
        if self.head:
            x = style.per(layers.Dense(3, None if self.apart else self.head))(x)
            if self.apart:
                x = (style.softmax() if self.head == "softmax" else layers.Activation(self.head))(x)
        return keras.Model(inputs, x)


@st.composite
def designs(draw: st.DrawFn) -> Design:
    simple = recurrent() | recurrent() | pointwise()
    body = chains(simple | branches(simple) | branches(chains(simple)))
    head = draw(st.sampled_from(["", *ACTIVATIONS]))
    return Design(draw(st.sampled_from(list(MASKS))), draw(body), head, draw(st.booleans()), draw(st.booleans()))
