"""Pictures as base64 text, drawn with matplotlib without pyplot, which has windows and global state."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import Any, Literal


def figure(
    draw: Callable[[Any], Any], kind: Literal["svg", "png"], size_inch: tuple[float, float], dpi: int = 120
) -> str:
    """The picture that `draw` makes on matplotlib axes, as SVG or PNG in base64."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    picture = Figure(figsize=size_inch, layout="constrained")
    picture.set_canvas(FigureCanvasSVG(picture) if kind == "svg" else FigureCanvasAgg(picture))
    draw(picture.subplots())
    buffer = io.BytesIO()
    picture.savefig(buffer, format=kind, dpi=dpi)
    return base64.b64encode(buffer.getvalue()).decode()
