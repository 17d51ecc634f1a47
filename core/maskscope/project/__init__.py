"""The project folder: embeddings.npy, project.sqlite, models/, scores/; edits and their history."""

from maskscope.project.edits import STATES, Change, Edit, History, ReviewState
from maskscope.project.lock import WriterLock
from maskscope.project.rows import Counts, ModelRecord, SentenceRow
from maskscope.project.store import CHECKPOINT, TRAINING_LOCK, Project, set_aside
from maskscope.project.writer import ProjectWriter, project_path

__all__ = [
    "CHECKPOINT",
    "STATES",
    "TRAINING_LOCK",
    "Change",
    "Counts",
    "Edit",
    "History",
    "ModelRecord",
    "Project",
    "ProjectWriter",
    "ReviewState",
    "SentenceRow",
    "WriterLock",
    "project_path",
    "set_aside",
]
