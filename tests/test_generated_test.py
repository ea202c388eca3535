"""The test written beside a module: it passes there, fails for a wrong module, and needs no symact."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from symact.cli import cli
from symact.files import write_together

FORMULAS = {
    "mish": ["x*tanh(log(1+exp(x)))"],
    "leaky": ["Piecewise((x, x >= 0), (a*x, True))", "--param", "a=0.1"],
    "xlogx": ["x*log(x)", "--domain", "0,oo"],
    "gelu_of_a_rather_long_name": ["x*erfc(-x/sqrt(2))/2"],
    "with_roots": ["x*(Max(x,0)+log(1+exp(x-w)))", "--param", "w=0.7", "--trainable", "w"],
    "softmax": ["exp(x[i])/Sum(exp(x[j]),j)"],
    "spread": ["sqrt(Mean((x[j]-Mean(x[k],k))^2,j)+eps)", "--param", "eps=0.01"],
    "scaled": [
        "g[i]*x[i]/sqrt(Mean(x[j]^2,j)+1)+w",
        *["--param", "g=1", "--param", "w=0.5", "--trainable", "g", "--trainable", "w"],
    ],
    "gate": ["a*b/(1+exp(-beta*b))", *["--inputs", "a,b", "--param", "beta=1.0", "--trainable", "beta"]],
}
# Of several inputs and over an axis there is no test of NaN.
PASSED = {"softmax": 5, "spread": 5, "scaled": 5, "gate": 5}
RUFF = [sys.executable, "-m", "ruff"]


def run(*command: str, cwd) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False, env=dict(os.environ))


@pytest.mark.parametrize("name", FORMULAS)
def test_it_passes_beside_its_module_without_symact(name, tmp_path):
    done = CliRunner().invoke(
        cli, ["generate", *FORMULAS[name], "-o", str(tmp_path / f"{name}.py"), "--with-test"]
    )
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([f"{name}.py", f"test_{name}.py"])
    for command in (["check", "--isolated"], ["format", "--isolated", "--check"]):
        checked = run(*RUFF, *command, f"test_{name}.py", cwd=tmp_path)
        assert checked.returncode == 0, checked.stdout
    # As a script it imports no pytest either; a symact on the path would not be found out otherwise.
    (tmp_path / "symact.py").write_text("raise ImportError('the test is to need no symact')\n")
    done = run(sys.executable, f"test_{name}.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count(": passed") == PASSED.get(name, 6)


def test_it_fails_where_the_module_is_wrong(tmp_path):
    module = tmp_path / "tanh.py"
    CliRunner().invoke(cli, ["generate", "tanh(x)", "-o", str(module), "--with-test"])
    source = module.read_text()
    broken = source.replace("return upstream * _derivative(x)", "return upstream * _derivative(x) * 1.00001")
    assert broken != source
    module.write_text(broken)
    done = run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_tanh.py", cwd=tmp_path)
    assert done.returncode == 1
    assert "2 failed, 4 passed" in done.stdout
    assert "ULP from the exact" in " ".join(done.stdout.split())


def test_it_fails_where_a_module_over_an_axis_is_wrong(tmp_path):
    module = tmp_path / "softmax.py"
    CliRunner().invoke(cli, ["generate", *FORMULAS["softmax"], "-o", str(module), "--with-test"])
    source = module.read_text()
    broken = source.replace("quotient * (difference", "1.00001 * quotient * (difference")
    assert broken != source
    module.write_text(broken)
    done = run(
        sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_softmax.py", cwd=tmp_path
    )
    assert done.returncode == 1
    assert "ULP from the exact" in " ".join(done.stdout.split())


def test_both_files_are_written_or_neither(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "test_tanh.py").write_text("mine")
    done = CliRunner().invoke(cli, ["generate", "tanh(x)", "-o", "tanh.py", "--with-test"])
    assert "test_tanh.py exists" in str(done.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["test_tanh.py"]
    assert "--with-test" in str(CliRunner().invoke(cli, ["generate", "tanh(x)", "--with-test"]).exception)

    def appears_meanwhile(source, target):
        if target.name == "b":
            raise FileExistsError(17, "File exists")
        return original(source, target)

    original = os.link
    monkeypatch.setattr(os, "link", appears_meanwhile)
    with pytest.raises(Exception, match="cannot write b"):
        write_together({"a": "1", "b": "2"})
    assert [path.name for path in tmp_path.iterdir()] == ["test_tanh.py"]
