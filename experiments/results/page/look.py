"""What all charts of a page have in common. Colours of text and lines are the style sheet's: light, dark and paper."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Sequence
from typing import Any

PALETTE = ("#2b7bba", "#d55e00", "#009e73", "#b8589a", "#9a7400", "#7468c9")
"""Blue, vermilion, green, purple, ochre, violet: told apart by colour-blind readers, on white and on black."""

HEIGHT = 380  # pixels
LONGEST = 44
"""Characters of a name in a legend; longer ones would squeeze the chart."""

Chart = dict[str, Any]


def safe(text: str) -> str:
    """Plotly reads some HTML in texts; names of runs are not to be read so."""
    return html.escape(text)


def shortened(text: str, longest: int = LONGEST) -> str:
    """Cut, with a mark, where it is longer."""
    return text if len(text) <= longest else text[: longest - 1] + "\N{HORIZONTAL ELLIPSIS}"


def plain(figure: Any, x: str, y: str, legend_rows: float) -> Chart:
    """A figure as JSON, without Plotly's own look: no template, no background, room for the legend below."""
    below = 22 * math.ceil(legend_rows)
    figure.update_layout(
        template="none",
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "system-ui, sans-serif", "size": 12},
        margin={"l": 58, "r": 12, "t": 12, "b": 56 + below},
        height=HEIGHT + below,
        legend={"orientation": "h", "x": 0, "y": 0, "yref": "container", "yanchor": "bottom", "xanchor": "left"},
        hoverdistance=-1,  # the nearest point, however far: a line is thin
        hoverlabel={"align": "left", "namelength": -1},
        xaxis={"title": {"text": x}, "automargin": True, "zeroline": False, "showgrid": False, "ticks": "outside"},
        yaxis={"title": {"text": y}, "automargin": True, "zeroline": False, "gridcolor": "#cccccc"},
    )
    chart: Chart = json.loads(figure.to_json())
    return chart


WIDE = 8
"""An axis whose largest value is so many times its smallest is logarithmic."""
FEW = 4
"""So many values are marked as they are; between them there is nothing to read off."""


def axis_of(places: Sequence[float]) -> dict[str, Any]:
    """How an axis is marked that has these values, the least first."""
    if len(places) <= FEW and all(isinstance(place, int) for place in places):
        return _marked(places) | ({"type": "log"} if _is_wide(places) else {})
    if not _is_wide(places):
        return {}
    low, high = math.floor(math.log10(places[0])), math.ceil(math.log10(places[-1]))
    round_numbers = [step * 10**power for power in range(low, high + 1) for step in (1, 2, 5)]
    return {"type": "log"} | _marked(round_numbers)


def _is_wide(places: Sequence[float]) -> bool:
    return places[-1] > WIDE * places[0] > 0


def _marked(places: Sequence[float]) -> dict[str, Any]:
    texts = [f"{place:,}" if place >= 1 else f"{place:g}" for place in places]
    return {"tickmode": "array", "tickvals": [*places], "ticktext": texts}
