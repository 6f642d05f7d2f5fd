"""A law in a Python file runs only with permission, and only with the intended source."""

from __future__ import annotations

import hashlib
import importlib
import re
from pathlib import Path

import pytest

import cybloids as cy
import main
from app.analysis.run_description import info, text
from app.assembly.machine import build_machine
from app.assembly.plan import plan, planned, unpinned
from app.assembly.python_law import NotAllowed, allow, allow_file, allowed, give
from app.commands.verify import verified
from app.console.progress import silent
from app.running.headless import fly
from app.running.process_side import PlanTexts
from config.reader import Document, plain
from config.refused import Refused
from control.contract import Fault
from control.policies.python_law import PythonLaw, PythonPolicy
from tests.app.laws import SPRING, lay_out

MARK = 'from pathlib import Path\n\nPath(__file__).with_name("it_ran").touch()\n'
ASKED = "def __getattr__(name):\n    raise RuntimeError('asked')\n"
OWN = "import cybloids as cy\n\nclass Own(cy.Law):\n    @property\n    {}\n"
EXITS = "class E(Exception):\n    def __str__(self):\n        raise SystemExit(0)\n\n"
LEAVES = "import cybloids as cy\n\nclass Own(cy.Law):\n    def __init__(self):\n        raise SystemExit(0)\n"
OTHER = "import cybloids as cy\n\nclass Own(cy.Law):\n    def __new__(cls):\n        return 5\n"


def flown(experiment: Path) -> Path:
    """Flies the experiment; returns the path of the run, beside the experiment."""
    out = experiment.with_suffix(".h5")
    fly(plan(experiment), 0.4, out, True, "", bar=silent)
    return out


def test_an_experiment_runs_no_python_without_permission(tmp_path: Path) -> None:
    experiment = lay_out(tmp_path, source=MARK + SPRING)
    with pytest.raises(NotAllowed) as refused:
        plan(experiment)
    said = str(refused.value)
    assert f"would run the Python file {tmp_path / 'my_laws.py'}" in said
    assert "--allow-python my_laws" in said
    assert said.count("\n") == 0
    assert not (tmp_path / "it_ran").exists()
    allow(["other", "my_law"])  # a part of a name is no permission
    with pytest.raises(NotAllowed):
        plan(experiment)
    assert not (tmp_path / "it_ran").exists()
    allow(["my_laws"])
    made = plan(experiment)
    assert (tmp_path / "it_ran").exists()
    assert isinstance(made.experiment.policy, PythonLaw)
    assert len(made.experiment.policy.source_sha256) == 64


def test_a_run_verifies_only_with_its_own_source(tmp_path: Path) -> None:
    allow(["my_laws"])
    run = flown(lay_out(tmp_path))
    assert verified(run, silent)
    assert re.search(r"^law +my_laws:Spring \([0-9a-f]{12}\)$", text(info(run)), re.M)
    (tmp_path / "my_laws.py").write_text(SPRING.replace("-self.stiffness", "+self.stiffness"), encoding="utf-8")
    with pytest.raises(Refused, match=r"my_laws\.py: the source of the law 'my_laws:Spring' is not the one") as refused:
        verified(run, silent)
    assert str(refused.value).count("\n") == 0
    (tmp_path / "my_laws.py").write_text(SPRING.replace("\n", "\r\n"), encoding="utf-8", newline="")
    assert verified(run, silent)
    (tmp_path / "my_laws.py").unlink()
    with pytest.raises(Refused, match=r"there is no my_laws\.py in "):
        verified(run, silent)


def test_run_and_verify_need_allow_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    lay_out(tmp_path, source=MARK + SPRING)

    def verb(line: str) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["main.py", *line.split()])
        return main.main(), capsys.readouterr().err

    code, said = verb("run spring.yaml --out a.h5")
    assert (code, said.count("\n")) == (2, 1)
    assert "--allow-python my_laws" in said
    assert not (tmp_path / "it_ran").exists()
    monkeypatch.setattr("app.assembly.python_law._allowed", {})
    assert verb("run spring.yaml --out a.h5 --allow-python my_laws")[0] == 0
    monkeypatch.setattr("app.assembly.python_law._allowed", {})
    (tmp_path / "it_ran").unlink()
    code, said = verb("verify a.h5")
    assert (code, said.count("\n")) == (2, 1)
    assert str(tmp_path / "my_laws.py") in said
    assert verb("analyse a.h5")[0] == 0  # needs no law
    assert not (tmp_path / "it_ran").exists()
    assert verb("verify a.h5 --allow-python my_laws")[0] == 0
    code, said = verb("verify a.h5 --allow-python my-laws")
    assert (code, said.count("\n")) == (2, 1)
    assert "--allow-python: found 'my-laws'" in said


@pytest.mark.parametrize(
    ("law", "source", "more", "said"),
    [
        ("my_laws", SPRING, "", "needed: module:class"),
        ("my_laws:", SPRING, "", "needed: module:class"),
        ("../my_laws:Spring", SPRING, "", "needed: module:class"),
        ("my_laws:Spring()", SPRING, "", "needed: module:class"),
        ("yours:Spring", SPRING, "", "there is no yours.py in"),
        ("my_laws:Sprung", SPRING, "", "there is no class 'Sprung' derived from cybloids.Law"),
        ("my_laws:np", SPRING, "", "there is no class 'np' derived from cybloids.Law"),
        ("my_laws:Spring", "def f(:\n", "", "this file can't be run (SyntaxError"),
        ("my_laws:Spring", "import no_such_module\n", "", "this file can't be run (ModuleNotFoundError"),
        ("my_laws:Spring", "raise SystemExit(3)\n", "", "this file can't be run (SystemExit"),
        ("my_laws:Spring", SPRING, ", parameters: {stiff: 1}", "policy.parameters: the law 'my_laws:Spring' can't be"),
        ("my_laws:Spring", SPRING, ", parameters: {stiffness_pn_per_um: .nan}", "spring.yaml"),
        ("my_laws:Late", SPRING, ", parameters: {delay_s: 0.0001}", "delays_s of the law 'my_laws:Late' is 0.0001 s"),
        ("my_laws:Late", SPRING, ", parameters: {delay_s: -1}", "needed: a tuple of times in s"),
        ("my_laws:Spring", SPRING, ", source_sha256: abc", "is not the one that is meant"),
        ("my_laws:Spring", ASKED, "", "the class 'Spring' can't be taken from this file (RuntimeError: asked)"),
        (
            "my_laws:Own",
            OWN.format("def delays_s(self): raise OSError(5)"),
            "",
            "delays_s of the law 'my_laws:Own' can't",
        ),
        ("my_laws:Own", OWN.format("def delays_s(self): return ('x',)"), "", "needed: a tuple of times in s"),
        ("my_laws:Own", OWN.format("def delays_s(self): return (True,)"), "", "needed: a tuple of times in s"),
        ("my_laws:Own", LEAVES, "", "the law 'my_laws:Own' can't be made (SystemExit: 0)"),
        ("my_laws:Own", EXITS + LEAVES.replace("SystemExit(0)", "E"), "", "the law 'my_laws:Own' can't be made (E: E)"),
        (
            "my_laws:Own",
            LEAVES.replace("SystemExit(0)", "GeneratorExit"),
            "",
            "can't be made (GeneratorExit: GeneratorExit)",
        ),
        ("my_laws:Own", OTHER, "", "can't be made (TypeError: it makes a int, which is no cybloids.Law)"),
        ("__main__:Spring", SPRING, "", "was written in a notebook or a script"),
    ],
)
def test_an_invalid_law_is_refused_in_one_sentence(tmp_path: Path, law: str, source: str, more: str, said: str) -> None:
    allow(["my_laws"])
    with pytest.raises(Refused) as refused:
        plan(lay_out(tmp_path, law, source, more))
    assert said in str(refused.value)
    assert str(refused.value).count("\n") == 0


def test_a_python_law_in_mode_landscape_is_refused(tmp_path: Path) -> None:
    allow(["my_laws"])
    with pytest.raises(Refused, match="mode is landscape, and a python law can't be flown so"):
        plan(lay_out(tmp_path), None, ["mode=landscape"])


@pytest.mark.parametrize(
    ("law", "said"), [("Broken", r"ZeroDivisionError: .*my_laws\.py, line \d+"), ("Flat", "shape")]
)
def test_an_error_of_the_law_in_flight_ends_the_run_with_a_fault(tmp_path: Path, law: str, said: str) -> None:
    allow(["my_laws"])
    with pytest.raises(Fault, match=said):
        flown(lay_out(tmp_path, f"my_laws:{law}"))


@pytest.mark.parametrize("law", ["Steps", "Late"])
def test_laws_with_memory_or_delay_verify(tmp_path: Path, law: str) -> None:
    allow(["my_laws"])
    run = flown(lay_out(tmp_path, f"my_laws:{law}"))
    assert verified(run, silent)
    with cy.read_run(run) as opened:
        assert len(opened.table("forces")) > 10


def test_a_changed_file_is_another_law_in_the_same_process(tmp_path: Path) -> None:
    """An experiment file of a user has no hash: the current source is used."""
    allow(["my_laws"])
    experiment = lay_out(tmp_path)
    before = plan(experiment)
    (tmp_path / "my_laws.py").write_text(SPRING + "\n# changed\n", encoding="utf-8")
    with pytest.raises(Refused, match="is not the one that is meant"):
        planned(read_again(before), None, (), tmp_path)
    after = plan(experiment)
    assert after.experiment.policy != before.experiment.policy
    assert unpinned(after.experiment) == unpinned(before.experiment)


def read_again(made: cy.Plan) -> Document:
    """The experiment of the plan, with the hash."""
    return Document("again", plain(made.experiment), {})


def test_the_name_of_a_package_allows_its_modules(tmp_path: Path) -> None:
    folder = tmp_path / "pack"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "laws.py").write_text(SPRING, encoding="utf-8")
    experiment = lay_out(tmp_path, "pack.laws:Spring")
    with pytest.raises(NotAllowed, match=r"--allow-python pack\.laws"):
        plan(experiment)
    allow(["pack"])
    assert plan(experiment)


def test_the_file_beside_the_experiment_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    allow(["my_laws"])
    lay_out(tmp_path / "elsewhere", source="raise ValueError\n")
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert plan(lay_out(tmp_path / "here"))
    (tmp_path / "here" / "my_laws.py").unlink()
    with pytest.raises(Refused, match="elsewhere"):
        plan(tmp_path / "here" / "spring.yaml")


def test_a_class_passed_to_load_is_read_from_its_own_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lay_out(tmp_path / "own")
    (tmp_path / "own" / "my_laws.py").rename(tmp_path / "own" / "handed_laws.py")
    monkeypatch.syspath_prepend(str(tmp_path / "own"))
    handed = importlib.import_module("handed_laws")
    experiment = lay_out(tmp_path / "here")
    (tmp_path / "here" / "handed_laws.py").write_text("raise ValueError\n")
    made = cy.load(experiment, law=handed.Spring, sets={"policy.parameters": {"stiffness_pn_per_um": 0.3}})
    assert allowed() == ("handed_laws",)
    sha256 = hashlib.sha256((tmp_path / "own" / "handed_laws.py").read_bytes()).hexdigest()
    parameters = {"stiffness_pn_per_um": 0.3}
    assert made.experiment.policy == PythonLaw(law="handed_laws:Spring", parameters=parameters, source_sha256=sha256)
    with pytest.raises(Refused, match=r"found 3, where a class derived from cybloids\.Law is needed"):
        give(3)  # type: ignore[arg-type]


def test_the_module_of_a_class_passed_to_load_is_not_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Regression: a module that loads its own law recursed. A changed file is another law."""
    experiment = lay_out(tmp_path)
    loads = f"\nPLAN = cy.load({str(experiment)!r}, law=Spring)\n"
    file = tmp_path / "loading_laws.py"
    file.write_text(MARK + SPRING + loads, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    loading = importlib.import_module("loading_laws")
    (tmp_path / "it_ran").unlink()
    for made in (loading.PLAN, cy.load(experiment, law=loading.Spring)):
        assert type(law_of(made)) is loading.Spring
        with cy.open(made) as rig:
            rig.apply(made)
            assert type(rig._ordered.given_law) is type
    assert not (tmp_path / "it_ran").exists()
    for changed in (SPRING, SPRING.replace("0.1", "0.2")):
        file.write_text(f"{changed}\n# changed\n", encoding="utf-8")
        assert type(law_of(cy.load(experiment, law=loading.Spring))) is not loading.Spring


def law_of(made: cy.Plan) -> cy.Law:
    policy = build_machine(made).policy
    assert isinstance(policy, PythonPolicy)
    return policy.law


def test_the_permission_is_sent_to_the_loop_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    allow(["my_laws"])
    made = plan(lay_out(tmp_path))
    texts = PlanTexts.of(made)
    assert texts.python == ("my_laws",)
    monkeypatch.setattr("app.assembly.python_law._allowed", {})
    again = texts.read()
    assert allowed() == ("my_laws",)
    assert again.experiment == made.experiment


def test_permission_for_one_file_allows_no_other_of_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.assembly.python_law._allowed", {})
    monkeypatch.setattr("app.assembly.python_law._allowed_files", {})
    (tmp_path / "mine").mkdir()
    (tmp_path / "theirs").mkdir()
    mine, theirs = lay_out(tmp_path / "mine"), lay_out(tmp_path / "theirs", source=MARK + SPRING)
    allow_file("my_laws", tmp_path / "mine" / "my_laws.py")
    plan(mine)
    with pytest.raises(NotAllowed):
        plan(theirs)
    assert not (tmp_path / "theirs" / "it_ran").exists()


def test_the_delays_of_a_law_are_read_once(tmp_path: Path) -> None:
    """Regression: a property that failed in a later turn ended in a traceback."""
    allow(["my_laws"])
    body = "import cybloids as cy\n\nclass Own(cy.Law):\n    asked = 0\n\n    @property\n    def delays_s(self):\n"
    body += "        self.asked += 1\n        return (0.3,) * (1 // self.asked)\n"
    made = build_machine(plan(lay_out(tmp_path, "my_laws:Own", body))).policy
    assert isinstance(made, PythonPolicy)
    assert made.longest_delay_s == made.longest_delay_s == 0.3
    assert made.law.asked == 1  # type: ignore[attr-defined]
