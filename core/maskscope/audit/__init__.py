"""The padding audit: do a model's outputs at real tokens depend on padding? docs/audit.md describes its checks."""

from maskscope.audit.probes.mask_trace import model_graph
from maskscope.audit.report import About, AuditReport, Evidence, EvidenceRow, Finding, Verdict
from maskscope.audit.runner import audit_arrays, audit_model, audit_project

__all__ = [
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
