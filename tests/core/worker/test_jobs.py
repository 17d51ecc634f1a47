"""Every request runs a job, and the repaired copy of a model does not outlive an audit that fails."""

from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from maskscope.errors import MaskscopeError, WorkerError
from maskscope.jobs import NullJob
from maskscope.worker import jobs
from maskscope.worker.jobs import run_request
from maskscope.worker.requests import (
    AnyRequest,
    GalleryRequest,
    PingRequest,
    PingResult,
    ProjectSource,
    RepairRequest,
    Request,
    Result,
)


class Unknown(Request[PingResult], frozen=True, tag="unknown"):
    """A request without a job."""

    result_type = PingResult


def test_every_request_has_a_job_that_returns_its_result() -> None:
    for kind in get_args(AnyRequest):
        function = run_request.dispatch(kind)
        assert get_type_hints(function)["request"] is kind
        assert get_type_hints(function)["return"] is kind.result_type


def test_a_request_without_a_job_is_an_error_with_a_message() -> None:
    assert run_request(PingRequest(), NullJob()) == PingResult()
    with pytest.raises(WorkerError, match="there is no job for this request; received Unknown"):
        run_request(Unknown(), NullJob())
    with pytest.raises(WorkerError, match="no such model in the gallery; received 'M99'"):
        run_request(GalleryRequest(("M99",)), NullJob())


def test_a_repaired_copy_is_removed_when_its_audit_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "repaired.keras"
    written: list[tuple[object, ...]] = []

    def repair_file(model: Path, repairs: tuple[str, ...], file: Path, padding: float | None) -> None:
        written.append((model, repairs, file, padding))
        file.write_bytes(b"")

    def audit(*_: object) -> Result:
        raise MaskscopeError("can't be audited")

    monkeypatch.setattr("maskscope.audit.repair.repair_file", repair_file)
    monkeypatch.setattr(jobs, "_audit", audit)
    request = RepairRequest(tmp_path / "m.keras", ProjectSource(tmp_path), ("remask",), out, padding=0.0)
    with pytest.raises(MaskscopeError, match="can't be audited"):
        run_request(request, NullJob())
    assert written == [(tmp_path / "m.keras", ("remask",), out, 0.0)]
    assert not out.exists()
