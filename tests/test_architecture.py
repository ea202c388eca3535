"""Imports point one way: up the pipeline, and never from the formula's side to TensorFlow."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "symact"
MODULES = sorted(PACKAGE.rglob("*.py"))

# What each module or folder may not import, directly.
FORBIDDEN = {
    "emit": {"tensorflow", "keras", "symact.activation", "symact.compiler", "symact.compare"},
    "stabilize": {"tensorflow", "keras", "symact.emit", "symact.schedule", "symact.activation"},
    "derive.py": {"numpy", "flint", "tensorflow", "symact.stabilize", "symact.emit", "symact.graph"},
    "parse.py": {"tensorflow", "symact.stabilize", "symact.derive", "symact.emit"},
    "grammar.py": {"numpy", "flint", "tensorflow", "symact.stabilize", "symact.parse"},
    "graph.py": {"numpy", "tensorflow", "symact.stabilize", "symact.convert"},
    "formula.py": {"numpy", "flint", "tensorflow", "symact.parse", "symact.program"},
    "program.py": {"numpy", "flint", "tensorflow", "symact.derive", "symact.parse"},
    "reductions.py": {"numpy", "flint", "tensorflow", "symact.parse", "symact.program"},
    "rescale": {"numpy", "flint", "tensorflow", "symact.stabilize", "symact.emit", "symact.reverse"},
    "reverse.py": {"numpy", "flint", "tensorflow", "symact.stabilize", "symact.emit", "symact.rescale"},
    "stage_graphs.py": {"tensorflow", "keras", "symact.emit", "symact.schedule"},
    "stage_rewrites.py": {"numpy", "tensorflow", "symact.emit", "symact.stage_graphs"},
    "cancelled.py": {"numpy", "flint", "tensorflow", "symact.stabilize", "symact.emit", "symact.graph"},
    "angles.py": {"numpy", "flint", "tensorflow", "symact.stabilize", "symact.emit", "symact.axis"},
    "leading.py": {"numpy", "tensorflow", "symact.emit", "symact.axis", "symact.reverse"},
    "saturated.py": {"tensorflow", "symact.emit", "symact.axis", "symact.leading"},
    "projections.py": {"numpy", "tensorflow", "symact.emit", "symact.stabilize", "symact.axis"},
    "casts.py": {"tensorflow", "symact.emit", "symact.width", "symact.schedule"},
    "mixed.py": {"tensorflow", "keras", "symact.emit", "symact.schedule", "symact.axis"},
    "axis.py": {"tensorflow", "keras", "symact.activation"},
    "screen.py": {"tensorflow", "symact.contenders", "symact.judge"},
    "taylor.py": {"tensorflow", "symact.screen"},
    "judge.py": {"tensorflow", "symact.contenders", "symact.compare"},
    "testing.py": {"tensorflow", "symact.contenders", "symact.compare"},
    "figures.py": {"tensorflow", "symact.judge"},
    "comparison.py": {"tensorflow", "symact.judge", "symact.contenders"},
    "schedule.py": {"tensorflow", "keras", "symact.emit"},
}


def _imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


@pytest.mark.parametrize("place", FORBIDDEN)
def test_imports_point_one_way(place):
    paths = [p for p in MODULES if place in (p.name, p.parent.name)]
    assert paths
    for path in paths:
        for name in _imports(path):
            clash = [f for f in FORBIDDEN[place] if name == f or name.startswith(f + ".")]
            assert not clash, f"{path.name} imports {name}"


def test_no_module_outgrows_the_head():
    for path in MODULES:
        assert len(path.read_text().splitlines()) <= 310, path


@pytest.mark.parametrize("statement", ["import symact", "import symact.cli", "import symact.compiler"])
def test_tensorflow_is_imported_only_for_tensors(statement):
    code = f"{statement}; import sys; sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
