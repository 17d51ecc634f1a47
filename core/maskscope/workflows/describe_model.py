"""Look into a model's file before it is opened: what runs it, what its outputs are, and what a person must say."""

from dataclasses import replace
from pathlib import Path

from maskscope.errors import ModelError
from maskscope.keras_io.model_head import read_head
from maskscope.keras_io.safety import last_known_layer
from maskscope.masks import mask_value_text
from maskscope.project import Project
from maskscope.types import MaskValue
from maskscope.workflows.fit_model import LoadedModel, choose_engine, load_model
from maskscope.workflows.model_description import ModelDescription, OpenOptions
from maskscope.workflows.output_map import find_columns, find_kind, logits_activation

_MOST_LAYERS = 12
_ORIGINS = {
    "data": "as the source of the project was",
    "given": "as given",
    "mask value": "its mask value",
    "assumed": "which is assumed",
}


def describe_model(project: Project, file: Path) -> ModelDescription:
    """What is known of a `.keras` file that is to be opened in a project.

    Imports TensorFlow when Keras has to run the model. A file that can't be opened gives a description with its
    `refusal`; nothing is raised for it.
    """
    described = ModelDescription(file.name)
    try:
        choice = choose_engine(file)
        layers = read_head(file).layers
        described = replace(
            described,
            layers=_layers_text(layers),
            engine=choice.engine,
            engine_reason=choice.reason,
            # a file that passes the inspection can be traced and audited, whatever its outputs are
            way_out=("audit", "picture"),
        )
        loaded = load_model(project, file, choice)
        described = replace(
            described,
            mask=_mask_text(loaded.mask_value, layers),
            mask_value=loaded.mask_value,
            n_outputs=loaded.n_outputs,
            notes=loaded.notes,
        )
        if loaded.keras is not None:
            described = replace(described, n_positions=loaded.keras.n_positions)
            if loaded.keras.pads:
                padding = loaded.keras.padding(project.dim)
                assumed = padding.origin == "assumed"
                described = replace(
                    described, padding=f"{padding.text_with_side}, {_ORIGINS[padding.origin]}", padding_assumed=assumed
                )
        return _with_outputs(described, loaded, project)
    except ModelError as error:
        if not described.layers and last_known_layer(file) is not None:
            described = replace(described, way_out=("cut",))
        return replace(described, refusal=str(error))


def _with_outputs(described: ModelDescription, loaded: LoadedModel, project: Project) -> ModelDescription:
    """The description with what the outputs are, and whose."""
    head, n_outputs = loaded.head, loaded.n_outputs
    found = find_kind(head, n_outputs, project.scheme, project.dim, loaded.sample)
    columns = find_columns(found.kind or "logits", head, n_outputs, project.scheme, OpenOptions())
    return replace(
        described,
        output=found.kind,
        output_reason=f"it {found.reason}",
        activation=logits_activation(head, n_outputs) if found.kind in (None, "logits") else "",
        names=tuple(str(place) for place in range(n_outputs)),
        columns=columns.columns,
        columns_reason=columns.reason,
        way_out=(),
    )


def _layers_text(layers: tuple[str, ...]) -> str:
    more = f", and {len(layers) - _MOST_LAYERS} more" if len(layers) > _MOST_LAYERS else ""
    return ", ".join(layers[:_MOST_LAYERS]) + more


def _mask_text(mask_value: MaskValue | None, layers: tuple[str, ...]) -> str:
    if mask_value is None:
        above = "Masking" in layers
        return "its Masking layer masks rows of a layer below it" if above else "no Masking layer: nothing is masked"
    return mask_value_text(mask_value)
