"""Progress on a terminal and in a file, and tokens as they are printed in a line."""

import io

import pytest

from maskscope.commands.terminal import TerminalJob, printable, table


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr("maskscope.commands.terminal.time.monotonic", lambda: now[0])
    return now


def test_a_terminal_gets_one_line_that_is_cleared_at_the_end(clock: list[float]) -> None:
    stream = Terminal()
    with TerminalJob(stream) as job:
        job.progress(0, 1000, "tokens")
        clock[0] += 0.01
        job.progress(1, 1000, "tokens")
        clock[0] += 2
        job.progress(500, 1000, "tokens")
    lines = stream.getvalue().split("\r")
    assert "\n" not in stream.getvalue()
    assert [line.strip() for line in lines if line.strip()] == [
        "tokens: 0 of 1,000",
        "tokens: 500 of 1,000 · 249/s · 2 s left",
    ]
    assert lines[-1] == ""
    assert lines[-2].strip() == ""


def test_a_file_gets_a_line_every_few_seconds(clock: list[float]) -> None:
    stream = io.StringIO()
    with TerminalJob(stream) as job:
        for step in range(2000):
            job.figure("loss", step, 1 / (step + 1))
            job.progress(step, 2000, f"epoch {step // 100}")
            clock[0] += 0.01
    lines = stream.getvalue().splitlines()
    assert 3 <= len(lines) <= 5
    assert "\r" not in stream.getvalue()
    assert lines[0].startswith("epoch 2: 12%")
    assert "left" in lines[0]
    assert "loss 0.00398" in lines[0]


def test_a_short_job_says_nothing_to_a_file(clock: list[float]) -> None:
    stream = io.StringIO()
    with TerminalJob(stream) as job:
        for step in range(100):
            job.progress(step, 100, "sentences")
            clock[0] += 0.01
    assert stream.getvalue() == ""


@pytest.mark.parametrize(
    ("token", "words"),
    [
        ("Rome", "Rome"),
        ("שלום", "שלום"),
        ("", '""'),
        (" ", '" "'),
        ("a ", '"a "'),
        ("\ufe0f", "'\\ufe0f'"),
        ("\t", "'\\t'"),
        ("\ud800", "'\\ud800'"),
        ("☕", "☕"),
    ],
)
def test_what_cannot_be_seen_is_written_as_an_escape(token: str, words: str) -> None:
    assert printable(token) == words


def test_a_table_is_aligned() -> None:
    assert table([("a", "bb"), ("ccc", "d")]) == "a    bb\nccc  d"
