"""The scan, against plain loops in Python over one number after another."""

import struct
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskscope import corpus_scan as scan_module
from maskscope import row_extremes
from maskscope.corpus_scan import CANDIDATES, MOST_LISTED, Problem, ProblemKind, Scan, scan_padded, scan_ragged
from maskscope.errors import Cancelled
from maskscope.jobs import FlagJob

NAN, INF = float("nan"), float("inf")
TINY = 2.0**-126

NUMBERS = [0.0, -0.0, 1.0, -1.0, -5.0, -5.001, -10.0, -999.0, -1000.0, -1e9, 0.1, 1e-9, 2.0**-25, 2.0**-24, 1e-30]
NUMBERS += [1e-38, 1.174e-38, 1e-40, 1e-45, -1e-40, 65504.0, 65519.9, 65520.0, -7e4, 3.4e38, NAN, INF, -INF]


def computed(number: float, compute: str) -> float:
    """One number in the compute type, by Python's own packing and by decimal search, without numpy."""
    single = packed(number, "f")
    if compute == "float16":
        return packed(single, "e")
    if compute == "bfloat16" and single == single and abs(single) != INF:
        bits = struct.unpack("<I", struct.pack("<f", single))[0]
        low, rest = bits & 0xFFFF0000, bits & 0xFFFF
        up = rest > 0x8000 or (rest == 0x8000 and low & 0x10000)
        single = struct.unpack("<f", struct.pack("<I", low + (0x10000 if up else 0)))[0]
    return 0.0 if abs(single) < TINY else single


def packed(number: float, kind: str) -> float:
    if number != number or abs(number) == INF:
        return number
    try:
        return float(struct.unpack(f"<{kind}", struct.pack(f"<{kind}", number))[0])
    except OverflowError:
        return INF if number > 0 else -INF


def slow_padded(x: list[list[list[float]]], lengths: list[int], value: float | None, compute: str) -> Scan:
    """The same as `scan_padded` with lengths from the source, number by number."""

    def held(row: list[float], number: float) -> bool:
        return all(computed(each, compute) == computed(number, "float32") for each in row)

    def broken(row: list[float]) -> bool:
        return any(abs(computed(each, compute)) == INF or each != each for each in row)

    collisions: list[tuple[int, int]] = []
    problem: Problem | None = None
    padding: float | None = None
    one = True
    free = [each for each in CANDIDATES if computed(each, compute) == each]
    for b, rows in enumerate(x):
        places: list[tuple[int, ProblemKind]] = []
        for t, row in enumerate(rows):
            if broken(row):
                places.append((t, "not-finite"))
            if t < lengths[b]:
                free = [each for each in free if not held(row, each)]
                if value is not None and held(row, value):
                    collisions.append((b, t))
                continue
            if broken(row):
                one = False
                continue
            if padding is None and one:
                if held(row, 0.0):
                    padding = 0.0
                elif all(each == row[0] for each in row):
                    padding = row[0]
            alike = held(row, 0.0) if padding == 0 else padding is not None and all(each == padding for each in row)
            if not alike:
                one = False
                places.append((t, "after"))
        if places and problem is None:
            t, kind = min(places, key=lambda each: each[0])
            problem = Problem(kind, "", b, t)
    with_them = len({b for b, _ in collisions})
    return Scan(len(collisions), tuple(collisions), with_them, problem, padding if one else None, tuple(free))


@st.composite
def padded(draw: st.DrawFn) -> tuple[npt.NDArray[np.generic], list[int]]:
    dtype = np.dtype(draw(st.sampled_from(["float16", "float32", "float64", ">f4"])))
    n, t, d = draw(st.integers(1, 4)), draw(st.integers(1, 5)), draw(st.integers(1, 3))
    number = st.sampled_from(NUMBERS)
    # Rows of one number are what all of this is about.
    row = st.one_of(st.lists(number, min_size=d, max_size=d), number.map(lambda each: [each] * d))
    rows = draw(st.lists(row, min_size=n * t, max_size=n * t))
    lengths = draw(st.lists(st.integers(0, t), min_size=n, max_size=n))
    with np.errstate(over="ignore"):
        x = np.array(rows, dtype=np.float64).reshape(n, t, d).astype(dtype)
    return (np.asfortranarray(x) if draw(st.booleans()) else x), lengths


def same(found: Scan, expected: Scan) -> None:
    assert found.collisions == expected.collisions
    assert found.collision_count == expected.collision_count
    assert found.sentences_with_collisions == expected.sentences_with_collisions
    assert found.free_values == expected.free_values
    assert found.padding == expected.padding
    assert (found.problem is None) == (expected.problem is None)
    if found.problem is not None and expected.problem is not None:
        kind = "after" if found.problem.kind == "front" else found.problem.kind
        assert (kind, found.problem.sentence, found.problem.position) == (
            expected.problem.kind,
            expected.problem.sentence,
            expected.problem.position,
        )


VALUES = st.sampled_from([None, 0.0, -5.0, -999.0, 0.1, 1e-40, -1.0])
TYPES = st.sampled_from(["float32", "float16", "bfloat16"])


@given(padded(), VALUES, TYPES)
def test_a_padded_array_is_seen_as_number_by_number(
    array: tuple[npt.NDArray[np.generic], list[int]], value: float | None, compute: str
) -> None:
    x, lengths = array
    found = scan_padded(x, np.array(lengths, dtype=np.int64), value, compute)
    expected = slow_padded(x.astype(np.float64).tolist(), lengths, value, compute)
    same(found, expected)


@given(padded(), VALUES, TYPES, st.integers(1, 200))
def test_blocks_make_no_difference(
    array: tuple[npt.NDArray[np.generic], list[int]], value: float | None, compute: str, block: int
) -> None:
    x, lengths = array
    whole = scan_padded(x, np.array(lengths, dtype=np.int64), value, compute)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scan_module, "_BLOCK_BYTES", block)
        patch.setattr(row_extremes, "_CACHED_BYTES", block)
        assert scan_padded(x, np.array(lengths, dtype=np.int64), value, compute) == whole


@given(padded(), VALUES, TYPES)
def test_a_ragged_corpus_is_seen_as_the_padded_array_cut_to_its_tokens(
    array: tuple[npt.NDArray[np.generic], list[int]], value: float | None, compute: str
) -> None:
    x, lengths = array
    tokens = np.concatenate([rows[:length] for rows, length in zip(x, lengths, strict=True)])
    offsets = np.cumsum([0, *lengths]).astype(np.int64)
    found = scan_ragged(tokens, offsets, value, compute)
    # Zeros where the padding was, so that only tokens are left to say anything.
    zeroed = x.astype(np.float64)
    for rows, length in zip(zeroed, lengths, strict=True):
        rows[length:] = 0
    expected = slow_padded(zeroed.tolist(), lengths, value, compute)
    same(replace(found, padding=expected.padding), expected)
    assert found.padding is None


ROWS = {
    "one": [[1, 2], [3, 4], [0, 0]],
    "its second token is a collision": [[1, 2], [0, 0], [0, 0]],
    "padded in front": [[0, 0], [1, 2], [3, 4]],
    "padded with -5": [[1, 2], [3, 4], [-5, -5]],
    "NaN in its padding": [[1, 2], [3, 4], [0, NAN]],
    "too large for float16": [[1, 2], [7e4, 4], [0, 0]],
    "a number after its end": [[1, 2], [3, 4], [0, 1]],
}


@pytest.mark.parametrize(
    ("rows", "compute", "problem", "collisions", "padding"),
    [
        ("one", "float32", None, (), 0.0),
        ("its second token is a collision", "float32", None, ((1, 1),), 0.0),
        ("padded in front", "float32", ("front", 1, 2), ((1, 0),), None),
        ("padded with -5", "float32", ("after", 1, 2), (), None),
        ("NaN in its padding", "float32", ("not-finite", 1, 2), (), None),
        ("too large for float16", "float32", None, (), 0.0),
        ("too large for float16", "float16", ("not-finite", 1, 1), (), 0.0),
        ("a number after its end", "bfloat16", ("after", 1, 2), (), None),
    ],
)
def test_what_is_found_in_the_second_sentence(
    rows: str, compute: str, problem: tuple[str, int, int] | None, collisions: tuple[object, ...], padding: float | None
) -> None:
    x = np.array([ROWS["one"], ROWS[rows]], dtype=np.float32)
    found = scan_padded(x, np.array([2, 2]), 0.0, compute)
    assert found.collisions == collisions
    assert found.padding == padding
    if problem is None:
        assert found.problem is None
    else:
        assert found.problem is not None
        assert (found.problem.kind, found.problem.sentence, found.problem.position) == problem
        assert found.problem.meaning.endswith(".")


def test_the_defaults_of_pad_sequences_are_found() -> None:
    # keras.utils.pad_sequences([[[0.4, 0.5]], [[0.1, 0.2], [2.7, 0.4]]]): int32, padded in front.
    x = np.array([[[0, 0], [0, 0]], [[0, 0], [2, 0]]], dtype=np.int32)
    found = scan_padded(x, np.array([1, 2]), 0.0)
    assert found.problem is not None
    assert found.problem.kind == "integers"
    assert "int32" in found.problem.meaning
    assert found.collisions == ((0, 0), (1, 0))
    cut = scan_padded(np.ones((2, 3, 2), dtype=np.float32), np.array([3, 5]), 0.0)
    assert cut.problem is not None
    assert (cut.problem.kind, cut.problem.sentence, cut.problem.position) == ("cut", 1, None)
    assert "a sentence has 5 tokens" in cut.problem.meaning


def test_lengths_are_inferred_in_the_same_pass() -> None:
    x = np.array([ROWS["one"], ROWS["its second token is a collision"]], dtype=np.float16)
    found = scan_padded(x, None, 0.0)
    assert (found.collision_count, found.problem, found.padding) == (0, None, 0.0)
    leading = np.array([ROWS["one"], [[0, 0], [0, 0], [1, 2]]], dtype=np.float32)
    front = scan_padded(leading, None, 0.0).problem
    assert front is not None
    assert (front.kind, front.sentence, front.position) == ("front", 1, 0)
    # Where the source says the lengths, the same zeros are tokens.
    assert scan_padded(leading, np.array([2, 3]), 0.0).problem is None


def test_padding_of_another_number_is_one_padding() -> None:
    x = np.array([ROWS["padded with -5"], ROWS["padded with -5"]], dtype=np.float32)
    found = scan_padded(x, np.array([2, 2]), 0.0)
    assert (found.padding, found.problem) == (-5.0, None)
    assert found.free_values == CANDIDATES
    # As a token, the same row takes -5 away.
    assert scan_padded(x, np.array([2, 3]), -5.0).free_values == CANDIDATES[1:]
    assert scan_padded(x, np.array([2, 3]), -5.0).collisions == ((1, 2),)


@pytest.mark.parametrize(
    ("compute", "free"),
    [
        ("float32", (-5.0, -10.0, -1.0, -999.0, -1e9)),
        ("float16", (-5.0, -10.0, -1.0, -999.0)),
        ("bfloat16", (-5.0, -10.0, -1.0)),
    ],
)
def test_a_free_value_is_one_that_the_compute_type_holds(compute: str, free: tuple[float, ...]) -> None:
    found = scan_ragged(np.ones((3, 2), dtype=np.float32), np.array([0, 3]), 0.0, compute)
    assert found.free_values == free


def test_all_collisions_are_counted_and_the_first_are_listed() -> None:
    zeros = np.zeros((MOST_LISTED + 5, 3), dtype=np.float16)
    found = scan_ragged(zeros, np.array([0, 2, 2, MOST_LISTED + 5]), 0.0)
    assert found.collision_count == MOST_LISTED + 5
    assert found.sentences_with_collisions == 2
    assert found.collisions[:3] == ((0, 0), (0, 1), (2, 0))
    assert len(found.collisions) == MOST_LISTED
    assert scan_ragged(zeros, np.array([0, 2, MOST_LISTED + 5]), None).collision_count == 0


def test_it_stops_when_it_is_asked_to() -> None:
    job = FlagJob()
    job.cancel()
    with pytest.raises(Cancelled):
        scan_ragged(np.ones((3, 2), dtype=np.float32), np.array([0, 3]), 0.0, job=job)
    with pytest.raises(Cancelled):
        scan_padded(np.ones((1, 3, 2), dtype=np.float32), np.array([3]), 0.0, job=job)


def test_an_unknown_compute_type_is_refused() -> None:
    with pytest.raises(ValueError, match="received int8"):
        scan_ragged(np.ones((3, 2), dtype=np.float32), np.array([0, 3]), 0.0, "int8")
