"""What the window gives to a page when it makes one."""

from dataclasses import dataclass

from maskscope_gui.background.audit_job import AuditJob
from maskscope_gui.background.open_model_job import OpenModelJob
from maskscope_gui.background.worker_client import WorkerClient
from maskscope_gui.session.session import Session
from maskscope_gui.settings import Settings


@dataclass(frozen=True, slots=True, eq=False)
class PageServices:
    """What a page can use.

    Attributes:
        session: the open project, its model, the cursor.
        settings: what the program remembers.
        client: the worker, where Keras runs.
        audit_job: audits and repairs the model in use.
        open_model_job: adds a model file to the project.
    """

    session: Session
    settings: Settings
    client: WorkerClient
    audit_job: AuditJob
    open_model_job: OpenModelJob
