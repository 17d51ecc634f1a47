"""The command that shows a model: its layers, and where the mask goes."""

import argparse
import json
from pathlib import Path

from maskscope.commands.models import start_tensorflow
from maskscope.commands.terminal import TerminalJob, say, say_json, table
from maskscope.errors import MaskscopeError


def model(values: argparse.Namespace) -> int:
    """``maskscope model FILE.keras``"""
    file: Path = values.file
    picture: Path | None = values.picture
    if picture is not None and picture.suffix.lower() not in (".svg", ".png"):
        # before seconds of TensorFlow
        raise MaskscopeError(
            "is no name for a picture", file=picture, expected="NAME.svg or NAME.png", received=picture.name
        )
    with TerminalJob() as job:
        job.progress(0, 0, "starting TensorFlow")
        start_tensorflow()
        from maskscope.audit import model_graph

        job.progress(0, 0, "tracing the mask")
        graph = model_graph(file)
    if picture is not None:
        from maskscope.commands.window import model_picture

        model_picture(graph, picture, values.theme)
    layers = [node for node in graph.nodes if node.kind != "output"]
    if values.json:
        record = json.loads(graph.to_json())
        known = {node.name for node in layers}
        say_json(
            {
                "model": record["model"],
                "layers": [node for node in record["nodes"] if node["name"] in known],
                "edges": record["edges"],
                "picture": None if picture is None else str(picture),
            }
        )
        return 0
    rows = [("layer", "class", "output", "parameters", "mask after it")]
    rows += [(node.name, node.class_name, node.shape, f"{node.parameters:,}", node.words) for node in layers]
    say(table(rows))
    faults = [edge for edge in graph.edges if edge.fault]
    if faults:
        say("")
        say("\n".join(f"{edge.words}: {edge.source} -> {edge.target}" for edge in faults))
    if picture is not None:
        say(str(picture))
    return 0
