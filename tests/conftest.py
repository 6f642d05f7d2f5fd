"""What all tests share: how hypothesis searches, and who gets a second chance."""

import pytest
from hypothesis import Phase, settings

# The same examples everywhere and always; a failing one is printed as found, since shrinking it can take minutes.
settings.register_profile(
    "house", deadline=None, derandomize=True, max_examples=50, phases=[Phase.explicit, Phase.generate, Phase.target]
)
settings.load_profile("house")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A computer that stops for a second makes a beam dark, as it should: such a test is run again, up to twice.

    Reruns are told at the end. Everything else, which knows no clock, has one chance.
    """
    for item in items:
        if item.get_closest_marker("real_time"):
            item.add_marker(pytest.mark.flaky(reruns=2))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Why each test that was run again had failed."""
    for report in terminalreporter.stats.get("rerun", []):
        terminalreporter.section(f"run again: {report.nodeid}", sep="_")
        terminalreporter.write_line(report.longreprtext[-3000:])
