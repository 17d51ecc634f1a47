"""The command that shows a model: its layers, and where the mask goes."""

import argparse
import json
from pathlib import Path

from maskscope.commands.arguments import Subparsers, add_command, path
from maskscope.commands.terminal import TerminalJob, say, say_json, table
from maskscope.errors import MaskscopeError


def add_parser(commands: Subparsers) -> None:
    """Add the command's arguments."""
    parser = add_command(
        commands,
        "model",
        model,
        "list a model's layers, and whether each passes the mask on",
        "maskscope model tagger.keras\nmaskscope model tagger.keras --picture tagger.svg --theme dark",
    )
    parser.add_argument("file", metavar="FILE.keras", type=path, help="any Functional or Sequential Keras model")
    parser.add_argument(
        "--picture", metavar="FILE.svg|.png", type=path, help="draw the layers, with the mask on every edge"
    )
    parser.add_argument("--theme", choices=("light", "dark"), default="light", help="of the picture (default: light)")
    parser.add_argument(
        "--cut",
        metavar="NEW.keras",
        type=path,
        help="write the part of the model up to its last known layer, such as the emissions below a CRF, and list that",
    )


def model(values: argparse.Namespace) -> int:
    """``maskscope model FILE.keras``"""
    file: Path = values.file
    new: Path | None = values.cut
    picture: Path | None = values.picture
    if picture is not None and picture.suffix.lower() not in (".svg", ".png"):
        # checked before TensorFlow starts, which takes seconds
        raise MaskscopeError(
            "is no name for a picture", file=picture, expected="NAME.svg or NAME.png", received=picture.name
        )
    from maskscope.keras_io.safety import inspect_keras_file
    from maskscope.worker.client import run_job
    from maskscope.worker.requests import CutModelRequest, ModelGraphRequest

    if new is None:
        inspect_keras_file(file)
    # In a worker with limits, since the file may come from anyone.
    layer = ""
    with TerminalJob() as job:
        if new is not None:
            layer = run_job(CutModelRequest(file, new), job, warn=job.warn).layer
        graph = run_job(ModelGraphRequest(new or file), job, warn=job.warn).graph
    if picture is not None:
        from maskscope.commands.model_picture import model_picture

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
                "cut": None if new is None else {"path": str(new), "layer": layer},
            }
        )
        return 0
    if new is not None:
        say(f"{new}: {file.name} up to layer {layer}")
    rows = [("layer", "class", "output", "parameters", "mask after it")]
    rows += [(node.name, node.class_name, node.shape, f"{node.parameters:,}", node.text) for node in layers]
    say(table(rows))
    faults = [edge for edge in graph.edges if edge.fault]
    if faults:
        say("")
        say("\n".join(f"{edge.text}: {edge.source} -> {edge.target}" for edge in faults))
    if picture is not None:
        say(str(picture))
    return 0
