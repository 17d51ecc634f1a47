"""The messages between client and worker survive the wire; anything else is refused by one error."""

import os
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskscope.audit.report import About, AuditReport, Evidence, Finding
from maskscope.engine.padding_probe import PaddedRun
from maskscope.errors import WorkerError
from maskscope.keras_io.model_graph import GraphEdge, GraphNode, ModelGraph
from maskscope.runs import TrainSettings
from maskscope.worker.protocol import (
    JOB_NAMES,
    CancelJob,
    CancelledReply,
    Done,
    Failed,
    Figure,
    FromWorker,
    Progress,
    Ready,
    RunJob,
    StartFailed,
    ToWorker,
    decode_from_worker,
    decode_to_worker,
    encode,
    job_id,
)
from maskscope.worker.requests import (
    AnyRequest,
    AnyResult,
    ArraySource,
    AuditRequest,
    AuditResult,
    AuditSource,
    CutModelRequest,
    CutModelResult,
    DescribeModelRequest,
    DescribeModelResult,
    GalleryReports,
    GalleryRequest,
    GalleryResult,
    ModelGraphRequest,
    ModelGraphResult,
    OpenModelRequest,
    OpenModelResult,
    PaddingRequest,
    PaddingResult,
    PingRequest,
    PingResult,
    ProjectSource,
    RecoverRequest,
    RecoverResult,
    RepairRequest,
    RepairResult,
    ScoreRequest,
    ScoreResult,
    TrainRequest,
    TrainResult,
)
from maskscope.workflows.model_description import ModelDescription, OpenOptions
from maskscope.workflows.padding_answer import PaddingAnswer

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
# A file's name on Linux is any bytes; surrogates replace those that are not UTF-8.
if os.name == "posix":
    paths = st.binary(min_size=1, max_size=20).filter(lambda name: b"\0" not in name).map(os.fsdecode).map(Path)
else:
    paths = texts.map(Path)
ids = st.integers(0, 2**31)
floats = st.floats(allow_nan=False, allow_infinity=False)
sources: st.SearchStrategy[AuditSource] = st.one_of(
    st.builds(ProjectSource, paths), st.builds(ArraySource, paths, st.none() | paths)
)
options = st.builds(
    OpenOptions,
    st.sampled_from([None, "logits", "values"]),
    st.none() | st.lists(st.integers(-1, 99), max_size=3).map(tuple),
    st.none() | st.tuples(texts, texts),
)
requests: st.SearchStrategy[AnyRequest] = st.one_of(
    st.builds(TrainRequest, paths, st.builds(TrainSettings, st.integers(1, 64))),
    st.builds(RecoverRequest, paths, paths),
    st.builds(ScoreRequest, paths, paths, paths, st.none() | paths, options),
    st.builds(AuditRequest, paths, sources, st.none() | floats),
    st.builds(RepairRequest, paths, sources, st.tuples(texts, texts), paths, st.none() | floats),
    st.builds(GalleryRequest, st.tuples(texts)),
    st.builds(DescribeModelRequest, paths, paths),
    st.builds(OpenModelRequest, paths, paths, paths, options),
    st.builds(ModelGraphRequest, paths),
    st.builds(CutModelRequest, paths, paths),
    st.builds(
        PaddingRequest,
        paths,
        paths,
        ids,
        st.sampled_from(["zeros", "noise", "previous"]),
        st.lists(st.integers(0, 200), max_size=3).map(tuple),
        st.none() | ids,
        options,
    ),
    st.just(PingRequest()),
)

GRAPH = ModelGraph(
    "m.keras",
    (
        GraphNode("masking", "Masking", "(B, T, 4)", 0, "layer", "same", "the same"),
        GraphNode("probabilities", "Dense", "(B, T, 1)", 5, "output", "none", "no mask"),
    ),
    (GraphEdge("masking", "probabilities", "none", True, "no mask"),),
)
EVIDENCE = Evidence.of(3, [True, False], [("change", "change", [0.5, float("nan")])])
FINDING = Finding("LENGTH", "failed", "Padding counts.", 3e-2, 1e-6, 3, 0, "conv1d", evidence=EVIDENCE)
REPORT = AuditReport("ü.keras", 200, (1, 3), (FINDING,), About(loss="binary cross-entropy"), GRAPH)

RESULTS: tuple[AnyResult, ...] = (
    TrainResult(Path("a") / "b"),
    RecoverResult(Path("a")),
    ScoreResult(None),
    AuditResult(REPORT),
    RepairResult(REPORT),
    GalleryResult((GalleryReports("M1", REPORT, REPORT),)),
    DescribeModelResult(
        ModelDescription("m.keras", mask_value=(1.0, 2.0), output="logits", columns=(1, -1), way_out=("audit", "cut"))
    ),
    OpenModelResult(Path("a")),
    ModelGraphResult(GRAPH),
    CutModelResult("dense"),
    PingResult(),
)


@given(st.one_of(st.builds(CancelJob, ids), st.builds(RunJob, ids, requests)))
def test_a_request_is_decoded_as_it_was_encoded_in_one_line(message: ToWorker) -> None:
    line = encode(message)
    assert line.index(b"\n") == len(line) - 1
    assert decode_to_worker(line) == message
    assert job_id(line) == message.id


@given(
    st.one_of(
        st.builds(Ready, texts, texts, texts),
        st.builds(StartFailed, texts, texts),
        st.builds(Progress, ids, st.integers(-(2**63), 2**63 - 1), st.integers(0, 2**63 - 1), texts),
        st.builds(Figure, ids, texts, ids, floats),
        st.builds(Failed, st.none() | ids, texts, texts, texts),
        st.builds(CancelledReply, ids),
        st.builds(Done, ids, st.sampled_from(RESULTS)),
    )
)
def test_an_answer_is_decoded_as_it_was_encoded_in_one_line(message: FromWorker) -> None:
    line = encode(message)
    assert line.index(b"\n") == len(line) - 1
    assert decode_from_worker(line) == message


def test_every_request_has_a_result_of_its_own() -> None:
    kinds = get_args(AnyRequest)
    assert {kind.result_type for kind in kinds} == set(get_args(AnyResult))
    assert len(set(JOB_NAMES)) == len(kinds)
    assert {type(result) for result in RESULTS} | {PaddingResult} == set(get_args(AnyResult))


def test_arrays_are_decoded_bit_by_bit() -> None:
    rng = np.random.default_rng(0)
    run = PaddedRun(rng.normal(size=(9, 3)).astype(np.float32), rng.random(9) > 0.5, 0.25, None)
    answer = PaddingAnswer(np.array([7, 0]), np.array([0.5, np.nan], np.float32), np.array([3, -1]), run)
    done = decode_from_worker(encode(Done(1, PaddingResult(answer))))
    assert isinstance(done, Done)
    assert isinstance(done.result, PaddingResult)
    read = done.result.answer
    assert read.shown is not None
    for one, other in (
        (read.added, answer.added),
        (read.changes, answer.changes),
        (read.at, answer.at),
        (read.shown.probs_tc, run.probs_tc),
        (read.shown.mask, run.mask),
    ):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    assert (read.shown.largest_change, read.shown.at) == (0.25, None)


def test_an_array_of_another_type_is_refused() -> None:
    wide = np.zeros(2)
    answer = PaddingAnswer(np.array([7, 0]), wide, np.array([3, -1]))  # type: ignore[arg-type]
    with pytest.raises(WorkerError, match="expected an array of float32; received float64"):
        decode_from_worker(encode(Done(1, PaddingResult(answer))))


def test_a_figure_that_is_not_finite_is_decoded_as_none() -> None:
    assert decode_from_worker(encode(Figure(1, "loss", 2, float("nan")))) == Figure(1, "loss", 2, None)


def test_a_text_that_is_not_unicode_is_escaped() -> None:
    message = Failed(1, "ReadError", "x\udcff.npy: is broken")
    assert decode_from_worker(encode(message)) == Failed(1, "ReadError", "x\\udcff.npy: is broken")


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"nonsense",
        b"\xff",
        b"[]",
        b"{}",
        b'{"type": "ready", "keras": "3", "tensorflow": "2"}',
        b'{"type": "run", "id": 1}',
        b'{"type": "run", "id": "1", "request": {"job": "ping"}}',
        b'{"type": "run", "id": 1, "request": {"job": "ping", "more": 1}}',
        b'{"type": "run", "id": 1, "request": {"job": "train", "project": "p", "settings": {"units": 0}}}',
        b'{"type": "run", "id": 1, "request": {"job": "padding", "project": "p", "model": "m", "sentence": 0, '
        b'"fill": "water", "added": [0]}}',
        b"[" * 100_000,
        b'{"type": "run", "id": 1, "request": ' + b"[" * 100_000,
    ],
)
def test_a_line_that_requests_nothing_is_refused(line: bytes) -> None:
    with pytest.raises(WorkerError, match="received a message that can't be read"):
        decode_to_worker(line)


def test_an_unknown_job_is_refused_with_a_message_and_keeps_its_id() -> None:
    line = b'{"type": "run", "id": 7, "request": {"job": "dance"}}'
    with pytest.raises(WorkerError, match=r"Invalid value 'dance'.*expected a request for train, .*ping, or a cancel"):
        decode_to_worker(line)
    assert job_id(line) == 7
    assert job_id(b"nonsense") is None


@pytest.mark.parametrize(
    "line",
    [
        b"{}",
        b'{"type": "party"}',
        b'{"type": "done", "id": 1, "result": [1]}',
        b'{"type": "done", "id": 1, "result": {"result": "audit", "report": "{}"}}',
        b'{"type": "done", "id": 1, "result": {"result": "train", "folder": 3}}',
        b'{"type": "progress", "id": 1}',
    ],
)
def test_a_line_that_answers_nothing_is_refused(line: bytes) -> None:
    with pytest.raises(WorkerError, match="received a message that can't be read"):
        decode_from_worker(line)
