"""A model's graph for the tests of its picture."""

import pytest

from maskscope.keras_io.model_graph import GraphEdge, GraphNode, ModelGraph


@pytest.fixture(scope="session")
def autoencoder() -> ModelGraph:
    """An autoencoder whose mask ends at RepeatVector."""
    return ModelGraph(
        "autoencoder.keras",
        (
            GraphNode("sequence", "InputLayer", "(B, T, 20)", 0, "input", "none", "none yet"),
            GraphNode("masking", "Masking", "(B, T, 20)", 0, "layer", "same", "the same"),
            GraphNode("encoder", "LSTM", "(B, 20)", 1760, "layer", "none", "no positions"),
            GraphNode("repeat", "RepeatVector", "(B, T, 20)", 0, "layer", "none", "none"),
            GraphNode("loss", "Output", "(B, T, 20)", 0, "output", "none", "none"),
        ),
        (
            GraphEdge("sequence", "masking", "none", False, "no mask yet"),
            GraphEdge("masking", "encoder", "same", False, "mask"),
            GraphEdge("encoder", "repeat", "none", False, "no positions"),
            GraphEdge("repeat", "loss", "none", True, "no mask"),
        ),
    )
