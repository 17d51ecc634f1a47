"""The project folder: embeddings.npy, project.sqlite, models/, scores/; edits and their history."""

from maskscope.project.edits import STATES, Edit, ReviewState
from maskscope.project.lock import WriterLock
from maskscope.project.model_store import CHECKPOINT, TRAINING_LOCK, ModelStore, set_aside
from maskscope.project.rows import Counts, ModelRecord, SentenceRow
from maskscope.project.store import Project
from maskscope.project.writer import ProjectWriter, project_path

__all__ = [
    "CHECKPOINT",
    "STATES",
    "TRAINING_LOCK",
    "Counts",
    "Edit",
    "ModelRecord",
    "ModelStore",
    "Project",
    "ProjectWriter",
    "ReviewState",
    "SentenceRow",
    "WriterLock",
    "project_path",
    "set_aside",
]
