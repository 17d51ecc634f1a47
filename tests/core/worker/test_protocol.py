"""The lines between window and worker."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskscope.errors import WorkerError
from maskscope.worker.protocol import (
    Cancel,
    CancelledReply,
    Done,
    Event,
    Failed,
    Figure,
    Progress,
    Ready,
    Request,
    decode_event,
    decode_request,
    encode_event,
)

texts = st.text(max_size=20)
values = st.lists(
    st.tuples(texts, st.none() | st.booleans() | st.integers() | texts), max_size=3, unique_by=lambda pair: pair[0]
).map(tuple)


@given(st.one_of(st.builds(Cancel, texts), st.builds(Request, texts, texts, values)))
def test_requests_survive_the_wire_in_one_ascii_line(request: Request | Cancel) -> None:
    line = request.encode()
    assert line.isascii()
    assert line.index("\n") == len(line) - 1
    assert decode_request(line) == request


@given(
    st.one_of(
        st.builds(Ready, texts, texts, texts),
        st.builds(Progress, texts, st.integers(), st.integers(), texts),
        st.builds(Figure, texts, texts, st.integers(), st.floats(allow_nan=False, allow_infinity=False)),
        st.builds(Done, texts, values),
        st.builds(Failed, texts, texts, texts, texts),
        st.builds(CancelledReply, texts),
    )
)
def test_events_survive_the_wire_in_one_ascii_line(event: Event) -> None:
    line = encode_event(event)
    assert line.isascii()
    assert line.index("\n") == len(line) - 1
    assert decode_event(line) == event


def test_a_figure_that_is_no_number_is_null_on_the_wire() -> None:
    assert decode_event(encode_event(Figure("1", "loss", 2, float("nan")))) == Figure("1", "loss", 2, None)


@pytest.mark.parametrize("line", ["", "nonsense", "[]", "{}", '{"id": 1, "job": "ping"}', "[" * 100_000])
def test_lines_that_ask_nothing_are_refused(line: str) -> None:
    with pytest.raises(WorkerError):
        decode_request(line)


@pytest.mark.parametrize(
    "line",
    ["{}", '{"event": "party"}', '{"event": "done", "id": "1", "result": [1]}', '{"event": "progress", "id": "1"}'],
)
def test_lines_that_say_nothing_are_refused(line: str) -> None:
    with pytest.raises(WorkerError):
        decode_event(line)
