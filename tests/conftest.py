"""Shared test settings: the hypothesis profile, and reruns of tests that depend on the speed of the computer."""

import signal
import sys
from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import Phase, settings

# The same examples on every computer; a failing one is printed as found, since shrinking can take minutes.
settings.register_profile(
    "house", deadline=None, derandomize=True, max_examples=50, phases=[Phase.explicit, Phase.generate, Phase.target]
)
settings.load_profile("house")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests that depend on the clock: they are run again up to twice.

    A computer that pauses for a second makes the beam dark, as intended. The reason of a rerun is printed.
    All other tests run once.
    """
    for item in items:
        if item.get_closest_marker("real_time"):
            item.add_marker(pytest.mark.flaky(reruns=2))


class Reruns:
    """Prints at once why a test failed that is run again."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        terminal = self._config.pluginmanager.get_plugin("terminalreporter")
        if terminal is not None and str(report.outcome) == "rerun":
            terminal.section(f"run again: {report.nodeid}", sep="_")
            terminal.write_line(report.longreprtext[-3000:])


def pytest_configure(config: pytest.Config) -> None:
    """Report reruns. SIGINT has Python's handler: a background job of a shell (`make test &`) ignores it."""
    config.pluginmanager.register(Reruns(config))
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _permissions_end_with_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """The permission to run a Python law ends with the test that gave it."""
    laws = sys.modules.get("app.assembly.python_law")
    for name in ("_allowed", "_allowed_files", "_given", "_files") if laws is not None else ():
        monkeypatch.setattr(laws, name, {})


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, dict[str, Any] | None, dict[str, Any] | None]:
    """A lone surrogate in a message (hypothesis makes some) would end the worker that reports it."""
    report = yield
    return None if report is None else printable(report)


def printable(value: Any) -> Any:
    """The same lists and dictionaries, with texts that can be encoded in UTF-8."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {printable(key): printable(inner) for key, inner in value.items()}
    return type(value)(map(printable, value)) if isinstance(value, (list, tuple)) else value
