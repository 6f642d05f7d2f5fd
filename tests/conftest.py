"""What all tests share: how hypothesis searches, and who gets a second chance."""

import sys
from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import Phase, settings

# The same examples everywhere and always; a failing one is printed as found, since shrinking it can take minutes.
settings.register_profile(
    "house", deadline=None, derandomize=True, max_examples=50, phases=[Phase.explicit, Phase.generate, Phase.target]
)
settings.load_profile("house")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A computer that stops for a second makes a beam dark, as it should: such a test is run again, up to twice.

    The reason of a rerun is printed. All other tests do not depend on a clock and run once.
    """
    for item in items:
        if item.get_closest_marker("real_time"):
            item.add_marker(pytest.mark.flaky(reruns=2))


class Reruns:
    """Prints at once why a test that is run again had failed."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        terminal = self._config.pluginmanager.get_plugin("terminalreporter")
        if terminal is not None and str(report.outcome) == "rerun":
            terminal.section(f"run again: {report.nodeid}", sep="_")
            terminal.write_line(report.longreprtext[-3000:])


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Reruns(config))


@pytest.fixture(autouse=True)
def _permissions_end_with_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that allows a Python law allows it for itself only."""
    laws = sys.modules.get("app.assembly.python_law")
    for name in ("_allowed", "_allowed_files", "_given", "_files") if laws is not None else ():
        monkeypatch.setattr(laws, name, {})


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, dict[str, Any] | None, dict[str, Any] | None]:
    """Half of a surrogate pair in a message (hypothesis makes some) would end the worker that reports it."""
    report = yield
    return None if report is None else printable(report)


def printable(value: Any) -> Any:
    """The same lists and dictionaries, with texts that can be written in UTF-8."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {printable(key): printable(inner) for key, inner in value.items()}
    return type(value)(map(printable, value)) if isinstance(value, (list, tuple)) else value
