"""The files that the Audit page writes: it asks for a name, and saves the report or the repaired model."""

from pathlib import Path

from PySide6.QtWidgets import QFileDialog, QWidget

from maskscope.audit.report import AuditReport
from maskscope_gui.background.audit_job import AuditSubject
from maskscope_gui.pages.picture.picture_file import svg_picture
from maskscope_gui.session.session import Session
from maskscope_gui.settings import Settings
from maskscope_resources.colours import LIGHT


def ask_report_file(parent: QWidget, settings: Settings, subject: AuditSubject | None) -> Path | None:
    """Ask for the file of a report; None when the person cancels."""
    folder = Path(settings.text("reports_folder") or Path.home())
    start = folder / f"audit-{_file_stem(subject.name if subject else '')}.html"
    chosen, _ = QFileDialog.getSaveFileName(parent, "Save audit report", str(start), "Web page (*.html)")
    if not chosen:
        return None
    settings.set_text("reports_folder", str(Path(chosen).parent))
    return Path(chosen)


def ask_model_file(parent: QWidget, settings: Settings, session: Session, subject: AuditSubject | None) -> Path | None:
    """Ask for the file of a repaired copy of the subject; None when the person cancels or there is none."""
    project, model = session.project, session.model
    if project is None or subject is None:
        return None
    folder = Path(settings.text("models_folder") or project.path.parent)
    stem = f"{project.name}-{subject.model_id}" if subject.model_id else subject.file.stem
    if subject.model_id and model is not None and model.run.source:
        stem = Path(model.run.source).stem
    start = folder / f"{_file_stem(stem)}-repaired.keras"
    chosen, _ = QFileDialog.getSaveFileName(parent, "Save repaired model", str(start), "Keras models (*.keras)")
    if not chosen:
        return None
    file = Path(chosen)
    settings.set_text("models_folder", str(file.parent))
    # Keras takes the format from the end of the name
    return file if file.suffix == ".keras" else file.with_name(f"{file.name}.keras")


def write_report(report: AuditReport, file: Path, session: Session, subject: AuditSubject | None) -> None:
    """Write a report of the subject as an HTML page, with the model's picture and the command that makes it again.

    Raises MaskscopeError when the file can't be written.
    """
    from maskscope.audit.html.page import command_line, html_page, write_page

    project = session.project
    command = ""
    if project is not None and subject is not None:
        model = subject.model_id or str(subject.file)
        command = command_line(["maskscope", "audit", str(project.path), "--model", model])
    picture = None if report.graph is None else svg_picture(report.graph, LIGHT)
    write_page(html_page(report, picture, command), file)


def _file_stem(name: str) -> str:
    """The name with only those characters that every system allows in a file's name."""
    kept = "".join(char if char.isalnum() or char in "-_." else "-" for char in name).strip("-.")
    return kept or "model"
