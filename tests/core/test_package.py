"""What `import maskscope` offers to a program or a notebook."""

import subprocess
import sys

import pytest

import maskscope
from maskscope.audit import audit_model


def test_a_notebook_audits_a_model_in_memory_by_the_package_alone() -> None:
    assert maskscope.audit_model is audit_model


def test_the_package_has_nothing_else_to_import_late() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'train'"):
        maskscope.train  # noqa: B018


def test_importing_the_package_imports_none_of_its_rooms() -> None:
    code = "import sys, maskscope; print([name for name in sys.modules if name.startswith('maskscope.')])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
