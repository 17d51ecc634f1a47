"""The client's side of the protocol, without any process: each test says what the worker writes and what time it is."""

from pathlib import Path

import pytest

from maskscope.errors import ModelError
from maskscope.worker.conversation import (
    Action,
    Conversation,
    JobCancelled,
    JobDone,
    JobFailed,
    KillProcess,
    SendBytes,
    StartProcess,
    StateChanged,
    UnexpectedError,
)
from maskscope.worker.limits import CANCEL_SECONDS, Limits
from maskscope.worker.protocol import (
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
    encode,
)
from maskscope.worker.requests import (
    ModelGraphRequest,
    OpenModelRequest,
    OpenModelResult,
    PaddingRequest,
    PingResult,
    RecoverRequest,
    Request,
    Result,
)

READY = Ready("3.15.1", "2.21.0")
OPEN = OpenModelRequest(Path("p"), Path("m.keras"), Path("f"))
OPENED = OpenModelResult(Path("f"))
PADDING = PaddingRequest(Path("p"), Path("m.keras"), 0, "zeros", (7,))
RECOVER = RecoverRequest(Path("p"), Path("u"))
LIMITS = Limits(10.0, 1000)


class Fake:
    """A conversation whose process, clock and memory the test plays."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.now = 0.0
        self.memory = 0
        self.conversation = Conversation(lambda: self.memory, lambda _: limits, lambda: self.now)

    def taken(self) -> list[Action]:
        """The actions that are due."""
        return list(self.conversation.actions())

    def hear(self, *messages: FromWorker) -> list[Action]:
        """The worker writes messages; the actions that are due."""
        self.conversation.receive_output(b"".join(map(encode, messages)))
        return self.taken()

    def request(self, request: Request[Result] = OPEN) -> int:
        """Request a job of a worker that is ready, and drop the actions."""
        number = self.conversation.request(request)
        if self.conversation.state == "starting":
            self.hear(READY)
        self.taken()
        return number

    def wait(self, seconds: float) -> list[Action]:
        """Check the limits after some seconds; the actions that are due."""
        self.now += seconds
        self.conversation.check_limits()
        return self.taken()

    def end(self, code: int | None = 9) -> list[Action]:
        """The process ends; the actions that are due."""
        self.conversation.process_ended(code)
        return self.taken()


def sent(*messages: RunJob | CancelJob) -> list[Action]:
    return [SendBytes(encode(message)) for message in messages]


def errors(actions: list[Action]) -> list[tuple[int, str]]:
    return [(action.id, str(action.error)) for action in actions if isinstance(action, JobFailed)]


def test_a_request_starts_the_process_and_is_sent_once_it_is_ready() -> None:
    fake = Fake()
    assert fake.conversation.state == "off"
    assert fake.conversation.request(OPEN) == 1
    assert fake.taken() == [StateChanged("starting"), StartProcess()]
    assert fake.conversation.request(OPEN) == 2
    assert fake.taken() == []
    assert fake.hear(READY) == [
        StateChanged("ready"),
        READY,
        *sent(RunJob(1, OPEN), RunJob(2, OPEN)),
        StateChanged("busy"),
    ]
    progress, figure = Progress(1, 1, 2, "steps"), Figure(1, "loss", 1, 0.5)
    assert fake.hear(progress, figure, Done(1, OPENED)) == [progress, figure, JobDone(1, OPENED)]
    assert fake.hear(Done(2, OPENED)) == [StateChanged("ready"), JobDone(2, OPENED)]
    # What comes about a job that has ended, or is unknown, is dropped.
    assert fake.hear(progress, Done(1, OPENED), Progress(99, 1, 2)) == []


def test_a_message_may_arrive_in_pieces() -> None:
    fake = Fake()
    fake.request()
    line = encode(Done(1, OPENED))
    for byte in line[:-1]:
        fake.conversation.receive_output(bytes([byte]))
    assert fake.taken() == []
    fake.conversation.receive_output(line[-1:])
    assert JobDone(1, OPENED) in fake.taken()


def test_what_is_no_message_is_kept_for_the_log_alone() -> None:
    fake = Fake()
    fake.request()
    fake.conversation.receive_output(b"this is no JSON\n")
    assert fake.hear(Failed(None, "WorkerError", "received a message that can't be read")) == []
    first, second = fake.conversation.log_lines()
    assert "received this is no JSON" in first
    assert second == "received a message that can't be read"


def test_an_answer_that_cannot_be_read_ends_its_job() -> None:
    fake = Fake()
    fake.request()
    fake.request()
    fake.conversation.receive_output(b'{"type": "done", "id": 1, "result": {"result": "open_model", "folder": 3}}\n')
    ((number, error),) = errors(fake.taken())
    assert number == 1
    assert "received a message that can't be read" in error
    assert fake.hear(Done(2, OPENED))[-1] == JobDone(2, OPENED)


def test_requests_about_padding_are_not_shown_as_work() -> None:
    fake = Fake()
    fake.request(PADDING)
    assert fake.conversation.state == "ready"
    fake.conversation.request(OPEN)
    assert fake.taken() == [*sent(RunJob(2, OPEN)), StateChanged("busy")]


def test_an_error_keeps_its_class_and_its_traceback_is_passed_on() -> None:
    fake = Fake()
    fake.request()
    fake.request()
    (failed,) = (a for a in fake.hear(Failed(1, "ModelError", "is no model")) if isinstance(a, JobFailed))
    assert type(failed.error) is ModelError
    actions = fake.hear(Failed(2, "ZeroDivisionError", "the job failed", "Traceback\n  line 1"))
    assert UnexpectedError("Traceback\n  line 1") in actions
    assert errors(actions) == [(2, "the job failed")]
    assert fake.conversation.log_lines()[-1] == "  line 1"


def test_the_result_of_another_job_is_an_error() -> None:
    fake = Fake()
    fake.request()
    ((number, error),) = errors(fake.hear(Done(1, PingResult())))
    assert number == 1
    assert error.endswith("expected OpenModelResult; received PingResult")


def test_cancelling_a_job_that_waits_never_sends_it() -> None:
    fake = Fake()
    fake.conversation.request(OPEN)
    fake.conversation.cancel(1)
    fake.conversation.cancel(1)
    fake.conversation.cancel(12345)
    assert fake.taken()[2:] == [JobCancelled(1)]
    assert fake.hear(READY) == [StateChanged("ready"), READY]


def test_a_cancelled_job_reports_no_more_and_its_result_is_late() -> None:
    fake = Fake()
    fake.request()
    fake.conversation.cancel(1)
    fake.conversation.cancel(1)
    assert fake.taken() == sent(CancelJob(1))
    assert fake.hear(Progress(1, 1, 2), Figure(1, "loss", 1, 0.5)) == []
    assert fake.hear(Done(1, OPENED)) == [StateChanged("ready"), JobCancelled(1, OPENED)]


@pytest.mark.parametrize("answer", [CancelledReply(2), Failed(2, "ModelError", "is no model")])
def test_a_cancelled_job_ends_as_cancelled_whatever_the_worker_answers(answer: FromWorker) -> None:
    fake = Fake()
    fake.request()
    fake.request()
    fake.conversation.cancel(2)
    assert fake.hear(answer) == [*sent(CancelJob(2)), JobCancelled(2)]


def test_a_job_that_does_not_stop_when_it_is_cancelled_is_killed() -> None:
    fake = Fake()
    fake.request()
    fake.request()
    assert not fake.conversation.watching
    # The second waits in the worker: its time to stop begins when it runs.
    fake.conversation.cancel(2)
    assert not fake.conversation.watching
    assert fake.wait(100) == sent(CancelJob(2))
    fake.hear(Done(1, OPENED))
    assert fake.conversation.watching
    assert fake.wait(CANCEL_SECONDS - 0.1) == []
    assert fake.wait(0.2) == [KillProcess()]
    assert fake.wait(100) == []
    assert fake.end(None) == [StateChanged("failed"), JobCancelled(2)]
    assert "did not stop when it was cancelled" in fake.conversation.error


def test_a_training_may_take_its_time_to_stop() -> None:
    fake = Fake()
    fake.request(RECOVER)
    fake.conversation.cancel(1)
    assert not fake.conversation.watching
    assert fake.wait(1000) == sent(CancelJob(1))


@pytest.mark.parametrize("exceeded", ["quiet", "memory"])
def test_a_job_that_exceeds_a_limit_is_killed_and_the_next_one_runs(exceeded: str) -> None:
    fake = Fake(LIMITS)
    fake.request()
    fake.request(ModelGraphRequest(Path("m.keras")))
    assert fake.conversation.watching
    assert fake.wait(9) == []
    assert fake.hear(Progress(1, 1, 2)) == [Progress(1, 1, 2)]
    assert fake.wait(9) == []
    if exceeded == "memory":
        fake.memory = 1001
    assert fake.wait(2 if exceeded == "quiet" else 0) == [KillProcess()]
    actions = fake.end(None)
    ((number, error),) = errors(actions)
    assert number == 1
    assert ("no sign of progress for 11 seconds" if exceeded == "quiet" else "more than its limit") in error
    assert actions[-2:] == [StateChanged("starting"), StartProcess()]
    fake.memory = 0
    assert fake.hear(READY)[2:] == [*sent(RunJob(2, ModelGraphRequest(Path("m.keras")))), StateChanged("busy")]


def test_killing_a_job_that_has_ended_fails_no_other_job() -> None:
    fake = Fake(LIMITS)
    fake.request()
    fake.request()
    assert fake.wait(11) == [KillProcess()]
    assert fake.hear(Done(1, OPENED)) == [JobDone(1, OPENED)]
    assert errors(fake.end(None)) == []
    assert fake.hear(READY)[2] == sent(RunJob(2, OPEN))[0]


def test_the_end_of_the_process_fails_the_job_that_ran_with_its_last_output() -> None:
    fake = Fake()
    fake.request()
    fake.request()
    fake.conversation.receive_log(b"E0000 noise\nFatal: out of ")
    fake.conversation.receive_log(b"memory\n2026-01-01 00:00:00 I tensorflow/noise")
    actions = fake.end(9)
    ((number, error),) = errors(actions)
    assert number == 1
    assert error == (
        "The worker process ended with code 9; nothing in the project was changed."
        " Its last output: Fatal: out of memory"
    )
    assert actions[-2:] == [StateChanged("starting"), StartProcess()]
    assert fake.conversation.error == ""


def test_a_cancelled_job_of_a_process_that_ends_is_cancelled() -> None:
    fake = Fake()
    for _ in range(3):
        fake.request()
    fake.conversation.cancel(1)
    fake.conversation.cancel(3)
    fake.taken()
    assert fake.end(None)[:3] == [StateChanged("failed"), JobCancelled(1), JobCancelled(3)]


@pytest.mark.parametrize("how", ["no TensorFlow", "ends", "can't be started"])
def test_a_process_that_does_not_get_ready_fails_every_job(how: str) -> None:
    fake = Fake()
    fake.conversation.request(OPEN)
    fake.conversation.request(OPEN)
    fake.taken()
    if how == "no TensorFlow":
        fake.hear(StartFailed("TensorFlow can't be imported: no wheel"))
        actions, reason = fake.end(1), "no wheel"
    elif how == "ends":
        actions, reason = fake.end(1), "ended with code 1"
    else:
        fake.conversation.start_failed("no such file")
        actions, reason = fake.taken(), "can't be started: no such file"
    assert actions[0] == StateChanged("failed")
    assert [number for number, error in errors(actions) if reason in error] == [1, 2]
    assert reason in fake.conversation.error
    # The next request tries again.
    fake.conversation.request(OPEN)
    assert fake.taken() == [StateChanged("starting"), StartProcess()]
    assert fake.conversation.error == ""


def test_nothing_is_passed_on_after_the_conversation_is_closed() -> None:
    fake = Fake(LIMITS)
    fake.request()
    fake.conversation.receive_output(encode(Done(1, OPENED)))
    fake.conversation.close()
    assert fake.taken() == [StateChanged("off")]
    assert not fake.conversation.watching
    assert fake.hear(Done(1, OPENED)) == []


def test_a_request_made_while_actions_are_carried_out_comes_after_them() -> None:
    fake = Fake()
    fake.request()
    fake.conversation.receive_output(encode(Progress(1, 1, 2)) + encode(Done(1, OPENED)))
    carried_out: list[Action] = []
    for action in fake.conversation.actions():
        if isinstance(action, Progress):
            fake.conversation.request(OPEN)
        carried_out.append(action)
    assert [type(action) for action in carried_out] == [
        Progress,
        StateChanged,
        JobDone,
        SendBytes,
        StateChanged,
    ]
