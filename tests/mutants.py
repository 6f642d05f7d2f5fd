"""Mutation tests of the mathematics of the beam: `python -m tests.mutants [module ...]`.

Each mutant is one small change of a module's syntax tree: a comparison, a number, `and`, `not`, `min`, the order in
a tuple, or an omitted statement. It is made in a forked process (POSIX), which then runs the module's tests. Mutants
without a failing test are printed, and the exit code is 1. No file is changed. Some of them are equivalent to the
original; a person must judge.
"""

from __future__ import annotations

import ast
import copy
import importlib.util
import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from types import ModuleType

import pytest

TESTS = {
    "control.limits": ("tests/control/test_limits.py", "tests/control/test_loop.py"),
    "control.interlock": ("tests/control/test_interlock.py",),
    "control.loop": ("tests/control/test_loop.py",),
}
OTHER = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip
NAMES = {"min": "max", "max": "min", "any": "all", "all": "any", "minimum": "maximum"}


def mutants(tree: ast.Module) -> Iterator[tuple[int, str, ast.Module]]:
    """(line, description of the change, the changed tree)."""
    for index, node in enumerate(ast.walk(tree)):
        for number in range(len(changes(node))):
            changed = copy.deepcopy(tree)
            twin = next(one for at, one in enumerate(ast.walk(changed)) if at == index)
            before = ast.unparse(node)[:70]
            changes(twin)[number]()
            after = ast.unparse(twin)[:70]
            if ast.dump(twin) != ast.dump(node):
                line, what = left_out(node, twin) or (getattr(node, "lineno", 0), f"{before} -> {after}")
                yield line, what.replace("\n", " "), changed


def changes(node: ast.AST) -> list[Callable[[], None]]:
    """Functions, each of which changes this node in one way."""
    made: list[Callable[[], None]] = []

    def put(owner: ast.AST, name: str, value: object) -> None:
        made.append(lambda: setattr(owner, name, value))

    if isinstance(node, ast.Compare):
        for row, op in enumerate(node.ops):
            if type(op) in OTHER:
                put(node, "ops", [*node.ops[:row], OTHER[type(op)](), *node.ops[row + 1 :]])
    if isinstance(node, (ast.BoolOp, ast.BinOp)) and type(node.op) in OTHER:
        put(node, "op", OTHER[type(node.op)]())
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.Invert)):
        put(node, "op", ast.UAdd())
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)) and not isinstance(node.value, bool):
        put(node, "value", node.value + 1)
        put(node, "value", node.value * 2)
    if isinstance(node, ast.Name) and node.id in NAMES:
        put(node, "id", NAMES[node.id])
    if isinstance(node, ast.Attribute) and node.attr in NAMES:
        put(node, "attr", NAMES[node.attr])
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "np.minimum":
        put(node, "func", ast.parse("(lambda a, b: 0 * a + b)", mode="eval").body)
    if isinstance(node, ast.Tuple) and isinstance(node.ctx, ast.Load) and len(node.elts) > 1:
        put(node, "elts", node.elts[::-1])
        for row in range(len(node.elts)):
            put(node, "elts", [*node.elts[:row], *node.elts[row + 1 :]])
    if isinstance(node, ast.IfExp):
        put(node, "test", ast.Constant(True))
        put(node, "test", ast.Constant(False))
    if isinstance(node, ast.Call):
        for row in range(len(node.keywords)):
            put(node, "keywords", [*node.keywords[:row], *node.keywords[row + 1 :]])
    body = getattr(node, "body", None)
    if isinstance(body, list) and not isinstance(node, (ast.Module, ast.ClassDef)):
        for row, line in enumerate(body):
            if isinstance(line, (ast.Assign, ast.AugAssign, ast.Expr, ast.If, ast.Raise)) and not is_text(line):
                put(node, "body", [*body[:row], ast.Pass(), *body[row + 1 :]])
    return made


def left_out(node: ast.AST, twin: ast.AST) -> tuple[int, str] | None:
    """The line and the text of the statement that is missing in `twin`."""
    body = getattr(node, "body", None)
    if isinstance(body, list):
        for one, other in zip(body, getattr(twin, "body", []), strict=True):
            if isinstance(other, ast.Pass) and not isinstance(one, ast.Pass):
                return one.lineno, f"left out: {ast.unparse(one)[:90]}"
    return None


def is_text(line: ast.stmt) -> bool:
    """Whether the statement is a docstring."""
    return isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant)


def survives(name: str, path: Path, tree: ast.Module) -> bool:
    """Whether the module's tests pass with this tree in its place. They run in a separate process."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    code = 1
    try:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        module = sys.modules[name] = ModuleType(name)
        module.__spec__, module.__file__ = spec, str(path)
        exec(compile(ast.fix_missing_locations(tree), str(path), "exec"), module.__dict__)
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            code = int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-p", "no:rerunfailures", *TESTS[name]]))
    finally:
        os._exit(code)


def main(names: list[str]) -> int:
    left = 0
    for name in names or [*TESTS]:
        path = Path(f"{name.replace('.', '/')}.py")
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert survives(name, path, tree), f"{name}: its tests are red without a mutant"
        count = 0
        for line, what, changed in mutants(tree):
            count += 1
            if survives(name, path, changed):
                left += 1
                print(f"{path}:{line}: survives: {what}", flush=True)
        print(f"{name}: {count} mutants", flush=True)
    print(f"{left} survive")
    return int(left > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
