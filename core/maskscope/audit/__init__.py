"""The padding audit (docs: AUDIT.md): does what a model prints at real tokens depend on padding?"""

from maskscope.audit.probes.mask_trace import model_graph
from maskscope.audit.report import About, AuditReport, Evidence, EvidenceRow, Finding, Verdict
from maskscope.audit.runner import CHECKS, audit_arrays, audit_model, audit_project

__all__ = [
    "CHECKS",
    "About",
    "AuditReport",
    "Evidence",
    "EvidenceRow",
    "Finding",
    "Verdict",
    "audit_arrays",
    "audit_model",
    "audit_project",
    "model_graph",
]
