"""A law in a Python file: found, compared with its SHA-256, and run only if a person has allowed its module.

A permission is valid for one process. It comes from the command line, from a program that calls cybloids, or from a
button in the window; no file can give it.
"""

from __future__ import annotations

import inspect
import linecache
import os
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any
from weakref import WeakKeyDictionary

from config.files import kind_of, read_text
from config.foreign_errors import refusing
from config.refused import Refused
from config.words import quoted
from control.plant import Plant
from control.policies.force_context import Now as Now
from control.policies.python_law import Law as Law
from control.policies.python_law import PythonLaw, PythonPolicy

NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
LARGEST_FILE = 1_000_000  # bytes
MAIN = "__main__"  # the module of a notebook or a script; it can't be imported by name


class NotAllowed(Refused):
    """A law whose module may not run.

    Attributes:
        module: its name, as passed to `allow`.
        path: its file.
    """

    def __init__(self, message: str, module: str, path: Path) -> None:
        super().__init__(message)
        self.module, self.path = module, path


@dataclass(frozen=True)
class LawSource:
    """The source of a law, not yet run. `given`: the class itself, if it is from a notebook or a script."""

    module: str
    name: str
    path: Path
    text: str
    given: type[Law] | None = None

    @property
    def sha256(self) -> str:
        return sha256(self.text.encode()).hexdigest()


_allowed: dict[str, None] = {}  # names of modules that may run in this process
_allowed_files: dict[tuple[str, Path], None] = {}  # (module, file) that a person allowed in the window
_given: dict[tuple[str, str], LawSource] = {}  # by law ("__main__:class") and SHA-256
_files: dict[str, Path] = {}  # files of the modules whose classes were passed to `give`
_first_sha256: WeakKeyDictionary[type[Law], str] = WeakKeyDictionary()  # of the file when its class was first used
_loaded: dict[tuple[Path, str], ModuleType] = {}  # by path and SHA-256


def allow(modules: Iterable[str]) -> None:
    """Allow these modules to run in this process; the name of a package allows its modules. Raises Refused."""
    for module in modules:
        if not NAME.fullmatch(module):
            raise Refused(f"--allow-python: found '{quoted(module)}', where the name of a module is needed, as my_laws")
        _allowed[module] = None


def allow_file(module: str, path: Path) -> None:
    """Allow this file to run in this process under this module name; no other file of that name is allowed."""
    _allowed_files[module, path] = None


def allowed() -> tuple[str, ...]:
    """The modules that may run in a child process. Its plans refer only to files that were checked here."""
    return tuple(dict.fromkeys([*_allowed, *(module for module, _ in _allowed_files)]))


def give(law: type[Law]) -> str:
    """Register the class of a law that a program passes; this also allows its module to run. Raises Refused.

    Returns:
        The name of the law in an experiment: "module:class".
    """
    if not (issubclass(type(law), type) and issubclass(law, Law)):
        raise Refused(f"law: found {quoted(law)}, where a class derived from cybloids.Law is needed")
    if law is Law:
        raise Refused("law: found cybloids.Law itself, where a class derived from it is needed")
    module = law.__module__
    if not isinstance(module, str) or module not in sys.modules:
        raise Refused(f"law: the class {quoted(law.__qualname__)} is of the module '{quoted(module)}', which is none")
    name = _law_name(law)
    if module == MAIN:
        source = _source_of_class(law)
        _given[name, source.sha256] = source
    else:
        allow([module])
        _files[module] = Path(os.path.abspath(sys.modules[module].__file__ or ""))
    return name


def _law_name(law: type[Law]) -> str:
    return f"{law.__module__}:{law.__qualname__}"


def found(law: PythonLaw, folder: Path, source: str) -> LawSource:
    """The source of a law. Its module must be allowed, and its SHA-256 must match. Does not run it. Raises Refused.

    Args:
        folder: folder of the experiment, which is searched first.
        source: name of the experiment in error messages.
    """
    module, colon, name = law.law.partition(":")
    if not (colon and NAME.fullmatch(module) and name.isidentifier()):
        raise Refused(f"{source}: policy.law is '{quoted(law.law)}' (needed: module:class, as my_laws:Swirl)")
    if module == MAIN:
        return _registered_source(law, source)
    path = _path_of(module, folder, law.law, source)
    allowed_by_name = any(module == allowed_name or module.startswith(f"{allowed_name}.") for allowed_name in _allowed)
    if not allowed_by_name and (module, path) not in _allowed_files:
        raise NotAllowed(
            f"{source}: the law '{law.law}' would run the Python file {path}, and a file alone never runs code; read "
            f"it, and allow it with --allow-python {module}, or in Python with allow_python=['{module}']",
            module, path,
        )  # fmt: skip
    law_source = LawSource(module, name, path, read_text(path, LARGEST_FILE, "a Python file").removeprefix("\ufeff"))
    if law.source_sha256 not in ("", law_source.sha256):
        raise Refused(f"{path}: {_sha256_mismatch(law, law_source)}")
    return law_source


def pinned_law(law: PythonLaw, folder: Path, source: str) -> PythonLaw:
    """The settings of the law with the SHA-256 of its source. Raises Refused."""
    law_source = found(law, folder, source)
    return replace(law, source_sha256=law_source.sha256)


def build_law(
    law: PythonLaw, folder: Path, plant: Plant, middle_um: tuple[float, float], source: str,
    given: type[Law] | None = None,
) -> PythonPolicy:  # fmt: skip
    """The policy of a law. Runs its file once for each version of its content. Raises Refused.

    Args:
        given: the class with which the plan was made. It is used if its source matches, so that its module does not run
            again: a class that is made later from the same source may have other values.
    """
    law_source = found(law, folder, source)
    with refusing(f"{law_source.path}: the class '{law_source.name}' can't be taken from this file"):
        if (
            given is not None
            and _law_name(given) == law.law
            and (law_source.given is not None or _comes_from(given, law_source))
        ):
            law_class: Any = given
        else:
            law_class = (
                law_source.given
                if law_source.given is not None
                else getattr(_module_of(law_source), law_source.name, None)
            )
        is_law = isinstance(law_class, type) and issubclass(law_class, Law)
    if not is_law:
        raise Refused(
            f"{law_source.path}: there is no class '{law_source.name}' derived from cybloids.Law in this file"
        )
    with refusing(f"{source}: policy.parameters: the law '{law.law}' can't be made"):
        instance = law_class(**law.parameters)
        if not isinstance(instance, Law):
            raise TypeError(f"it makes a {type(instance).__name__}, which is no cybloids.Law")
    with refusing(f"{source}: delays_s of the law '{law.law}' can't be read"):
        delays_s = instance.delays_s
        if not (isinstance(delays_s, tuple) and all(_is_delay(delay_s) for delay_s in delays_s)):
            text = quoted(delays_s)
            raise Refused(f"{source}: the law '{law.law}' has delays_s = {text} (needed: a tuple of times in s)")
        return PythonPolicy(instance, law.law, plant, middle_um, tuple(map(float, delays_s)))


def _is_delay(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1e6


def _comes_from(law: type[Law], law_source: LawSource) -> bool:
    """Whether a class comes from this source; the file of its module may have changed since the import.

    True if the source is the same as at the first use of the class, and contains the class and all of its functions.
    """
    if _first_sha256.setdefault(law, law_source.sha256) != law_source.sha256:
        return False
    codes: set[CodeType] = set()
    pending = [compile(law_source.text, str(law_source.path), "exec", dont_inherit=True)]
    while pending:
        codes.add(code := pending.pop())
        pending.extend(constant for constant in code.co_consts if isinstance(constant, CodeType))
    function_codes = [inspect.unwrap(value).__code__ for value in vars(law).values() if isinstance(value, FunctionType)]
    # the functions of decorators are left out
    method_codes = [code for code in function_codes if code.co_qualname.startswith(f"{law.__qualname__}.")]
    return any(code.co_qualname == law.__qualname__ for code in codes) and codes.issuperset(method_codes)


def _sha256_mismatch(law: PythonLaw, used: LawSource) -> str:
    return (
        f"the source of the law '{law.law}' is not the one that is meant (its SHA-256 begins with {used.sha256[:12]}, "
        f"and {quoted(law.source_sha256[:12])} is needed)"
    )


def _registered_source(law: PythonLaw, source: str) -> LawSource:
    """A law of a notebook or a script, which this process must have passed to `give`. Raises Refused."""
    sources = [registered for (name, _), registered in _given.items() if name == law.law]
    if not sources:
        raise Refused(
            f"{source}: the law '{law.law}' was written in a notebook or a script and has no file of its own; run this "
            f"there with law={quoted(law.law.partition(':')[2])}, or write the law into a file as my_laws.py"
        )
    matching = [registered for registered in sources if law.source_sha256 in ("", registered.sha256)]
    if not matching:
        raise Refused(f"{source}: {_sha256_mismatch(law, sources[-1])}")
    return matching[-1]


def _path_of(module: str, folder: Path, law: str, source: str) -> Path:
    """The file of a module: in the experiment's folder, the working folder, or on Python's path. Raises Refused."""
    if module in _files:
        return _files[module]
    relative = Path(*module.split("."))
    for parent in dict.fromkeys([folder, Path.cwd(), *map(Path, sys.path)]):
        for file in (parent / relative.with_suffix(".py"), parent / relative / "__init__.py"):
            if kind_of(file) == "a file":
                return Path(os.path.abspath(file))
    raise Refused(
        f"{source}: the file of the law '{law}' is missing: there is no {relative.as_posix()}.py in {folder}, in the "
        "working folder or on Python's path"
    )


def _source_of_class(law: type[Law]) -> LawSource:
    """The source of a class: its file, or its cell of a notebook. Raises Refused."""
    codes = [inspect.unwrap(value).__code__ for value in vars(law).values() if isinstance(value, FunctionType)]
    # the functions of decorators are left out
    method_codes = [code for code in codes if code.co_qualname.startswith(f"{law.__qualname__}.")]
    path = method_codes[0].co_filename if method_codes else ""
    text = "".join(linecache.getlines(path))
    if not text:
        raise Refused(f"law: the source of the class {quoted(law.__qualname__)} can't be read; write it into a file")
    return LawSource(MAIN, law.__qualname__, Path(path), text, law)


def _module_of(law_source: LawSource) -> ModuleType:
    """The module of a source. Runs the text that was read; an import could load another text. Raises Refused."""
    key = law_source.path, law_source.sha256
    if key in _loaded:
        return _loaded[key]
    module = ModuleType(f"{law_source.module}_{law_source.sha256[:12]}")
    module.__file__, module.__package__ = str(law_source.path), law_source.module.rpartition(".")[0]
    sys.modules[module.__name__] = module
    linecache.checkcache(str(law_source.path))
    try:
        with refusing(f"{law_source.path}: this file can't be run"):
            exec(compile(law_source.text, str(law_source.path), "exec"), vars(module))
    except BaseException:
        del sys.modules[module.__name__]
        raise
    _loaded[key] = module
    return module
