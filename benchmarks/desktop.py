"""Effect of the window on the loop: the same instrument with and without a window, in one process.

python -m benchmarks.desktop [SECONDS]
"""

from __future__ import annotations

import json
import os
import sys
import time

import numpy as np

from app.assembly.plan import plan
from app.assembly.rig import EXPERIMENTS
from app.desktop.window.session import Session
from control.contract import OrderKind

SETS = ("rate=real time", "camera.fps=30", "loop.stale_periods=25", "sample.number=20", "sample.spacing_um=4.5")


def main(seconds: float) -> int:
    """256x256, 30 fps, 20 particles: rates, drops, and the loop's p99 with and without the window."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from app.desktop.window.main_window import Window
    from app.desktop.window.open import FIRST, application, planner
    from app.desktop.window.screenshot import wait

    app = application()
    made = plan(EXPERIMENTS / "double_ring_square.yaml", None, SETS)
    found = {}
    for name in ("without the window", "with the window"):
        session = Session(made)
        window = Window(session, FIRST, EXPERIMENTS, lambda path: planner(path, None)[1]) if "with " in name else None
        if window is not None:
            window.show()
        session.start()
        session.wait()
        session.order(OrderKind.ARM)
        settle = wait if window is not None else (lambda for_s: time.sleep(for_s))
        settle(2.0)
        live = session.live
        assert live is not None
        dropped = live.pace().dropped
        before = window.view.paintings if window is not None else 0
        began_s = time.monotonic()
        settle(seconds)
        lasted_s = time.monotonic() - began_s
        latency_ms = 1e3 * live.latencies_s()[-round(30 * seconds) :]
        painted = window.view.paintings - before if window is not None else 0
        found[name] = {
            "loop_hz": round(live.pace().rate_hz, 2),
            "dropped": live.pace().dropped - dropped,
            "p50_ms": round(float(np.percentile(latency_ms, 50)), 2),
            "p99_ms": round(float(np.percentile(latency_ms, 99)), 2),
            "painted_hz": round(painted / lasted_s, 1),
            "particles": len(live.newest.tracks) if live.newest is not None else 0,
        }
        if window is not None:
            window.close()
        else:
            session.close()
    ratio = found["with the window"]["p99_ms"] / found["without the window"]["p99_ms"]
    print(json.dumps({**found, "p99 ratio": round(ratio, 2), "load": os.getloadavg()[0]}, indent=1))
    app.processEvents()
    return 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 20.0))
