"""The files of the demo corpus agree with each other, and contain what the demo shows."""

import csv
from collections import Counter
from dataclasses import dataclass
from importlib import resources
from itertools import pairwise

import numpy as np
import pytest

from maskscope.engine import packed
from maskscope.runs import RunInfo
from maskscope.types import Embeddings, TagScheme

DEMO = resources.files("maskscope_resources") / "demo"
LABELS = {"none", "person", "place", "organisation", "work"}


@dataclass(frozen=True)
class DemoSentence:
    name: str
    register: str
    tokens: tuple[str, ...]
    labels: tuple[str, ...]


@pytest.fixture(scope="module")
def sentences() -> list[DemoSentence]:
    """Read with plain string methods, independently of our own reader."""
    found = []
    for block in (DEMO / "sentences.conll").read_text(encoding="utf-8").strip("\n").split("\n\n"):
        lines = block.split("\n")
        comments = dict(line[2:].split(" = ") for line in lines if line.startswith("# "))
        pairs = [line.split("\t") for line in lines if not line.startswith("# ")]
        assert all(len(pair) == 2 for pair in pairs), block
        tokens, labels = zip(*pairs, strict=True)
        found.append(DemoSentence(comments["sent_id"], comments["register"], tokens, labels))
    return found


@pytest.fixture(scope="module")
def embeddings() -> Embeddings:
    with (DEMO / "embeddings.npy").open("rb") as file:
        rows: Embeddings = np.load(file, allow_pickle=False)
    return rows


@pytest.fixture(scope="module")
def wrong_labels() -> list[dict[str, str]]:
    lines = (DEMO / "wrong_labels.tsv").read_text(encoding="utf-8").splitlines()
    return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


def test_at_least_150_sentences_numbered_in_order_and_none_twice(sentences: list[DemoSentence]) -> None:
    assert len(sentences) >= 150
    assert [s.name for s in sentences] == [f"nt-{i:03d}" for i in range(1, len(sentences) + 1)]
    assert max(Counter(s.tokens for s in sentences).values()) == 1


def test_lengths_run_from_one_token_to_sixty(sentences: list[DemoSentence]) -> None:
    lengths = sorted(len(s.tokens) for s in sentences)
    assert lengths[0] == 1
    assert lengths[-1] == 60
    assert lengths[-2] >= 55
    assert sum(lengths) >= 3000


def test_tokens_are_never_empty_and_hold_no_space(sentences: list[DemoSentence]) -> None:
    for sentence in sentences:
        assert all(token and not any(c.isspace() for c in token) for token in sentence.tokens), sentence.name


def test_each_label_is_known_and_used_and_names_are_the_smaller_part(sentences: list[DemoSentence]) -> None:
    counts = Counter(label for s in sentences for label in s.labels)
    assert set(counts) == LABELS
    named = 1 - counts["none"] / counts.total()
    assert 0.10 <= named <= 0.16
    assert min(counts.values()) >= 50


def test_registers_are_mixed_rather_than_grouped(sentences: list[DemoSentence]) -> None:
    registers = [s.register for s in sentences]
    assert len(set(registers)) >= 8
    assert sum(a == b for a, b in pairwise(registers)) < 10


def test_one_embedding_row_for_each_token(sentences: list[DemoSentence], embeddings: Embeddings) -> None:
    assert embeddings.dtype == np.float16
    assert embeddings.shape == (sum(len(s.tokens) for s in sentences), 384)
    assert np.isfinite(embeddings).all()


def test_the_zero_rows_are_exactly_the_variation_selectors(
    sentences: list[DemoSentence], embeddings: Embeddings
) -> None:
    tokens = [token for s in sentences for token in s.tokens]
    zero = np.flatnonzero(~embeddings.any(axis=1))
    assert 1 <= zero.size <= 3
    assert zero.tolist() == [place for place, token in enumerate(tokens) if token == "\ufe0f"]


def test_the_embeddings_are_contextual(sentences: list[DemoSentence], embeddings: Embeddings) -> None:
    rows = [row for row, token in enumerate(token for s in sentences for token in s.tokens) if token == "Trieste"]
    assert len(rows) >= 3
    assert len({embeddings[row].tobytes() for row in rows}) == len(rows)


def test_each_wrong_label_is_in_the_corpus_without_a_mark(
    sentences: list[DemoSentence], wrong_labels: list[dict[str, str]]
) -> None:
    by_name = {s.name: s for s in sentences}
    assert 6 <= len(wrong_labels) <= 8
    for row in wrong_labels:
        sentence, position = by_name[row["sentence"]], int(row["position"])
        assert sentence.tokens[position] == row["token"]
        assert sentence.labels[position] == row["wrong"]
        assert row["right"] in LABELS - {row["wrong"]}
    assert "wrong" not in (DEMO / "sentences.conll").read_text(encoding="utf-8").lower()


def test_tokens_of_several_scripts_and_emoji_are_there(sentences: list[DemoSentence]) -> None:
    tokens = {token for s in sentences for token in s.tokens}
    assert {"東京", "ليلى", "Київ", "प्रिया", "Břeclav", "☕"} <= tokens


@pytest.mark.parametrize(
    ("folder", "scheme"),
    [
        ("binary", TagScheme("binary", ("none", "name"))),
        ("typed", TagScheme("multiclass", ("none", "person", "place", "organisation", "work"))),
    ],
)
class TestShippedModels:
    def test_the_run_is_the_classic_stack_with_a_good_f1(
        self, folder: str, scheme: TagScheme, embeddings: Embeddings
    ) -> None:
        run = RunInfo.from_json((DEMO / folder / "run.json").read_text(encoding="utf-8"))
        assert run.scheme == scheme
        assert (run.dim, run.mask_value) == (embeddings.shape[1], 0.0)
        assert run.settings is not None
        assert (run.settings.units, run.settings.layers, run.settings.recurrent_dropout) == (10, 1, 0.3)
        assert run.complete
        assert len(run.validation_sentences) == 20
        assert run.f1 is not None
        assert run.f1 >= 0.8

    @pytest.mark.parametrize("weights", ["model.keras", "weights.npz"])
    def test_the_shipped_scores_are_the_output_of_the_shipped_model(
        self, folder: str, scheme: TagScheme, weights: str, sentences: list[DemoSentence], embeddings: Embeddings
    ) -> None:
        offsets = np.cumsum([0, *(len(s.tokens) for s in sentences)]).astype(np.int64)
        with resources.as_file(DEMO / folder / weights) as file:
            output = packed.load(file).score(embeddings, offsets)
        with (DEMO / folder / "scores.npy").open("rb") as file:
            shipped = np.load(file, allow_pickle=False)
        assert shipped.dtype == np.float32
        assert shipped.shape == (len(embeddings), scheme.n_outputs)
        np.testing.assert_allclose(shipped, output, rtol=0, atol=2e-6)

    def test_a_wrong_label_is_among_the_most_uncertain_three_percent(
        self, folder: str, scheme: TagScheme, sentences: list[DemoSentence], wrong_labels: list[dict[str, str]]
    ) -> None:
        """The wrong type of a name is no error in the binary demo, so it is not expected there."""
        with (DEMO / folder / "scores.npy").open("rb") as file:
            probs_nc = np.load(file, allow_pickle=False)
        own = []
        for label, row in zip((label for s in sentences for label in s.labels), probs_nc, strict=True):
            if scheme.kind == "binary":
                own.append(row[0] if label != "none" else 1 - row[0])
            else:
                own.append(row[scheme.classes.index(label)])
        uncertain = set(np.argsort(own)[: round(0.03 * len(own))].tolist())
        places = {(s.name, i) for s in sentences for i in range(len(s.tokens))}
        order = {place: n for n, place in enumerate(sorted(places))}
        for row in wrong_labels:
            if scheme.kind == "multiclass" or "none" in (row["wrong"], row["right"]):
                assert order[row["sentence"], int(row["position"])] in uncertain, row
