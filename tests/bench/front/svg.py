"""Panels of curves on logarithmic axes as one SVG, readable on light and on dark ground, with nothing fetched from elsewhere."""

import math
import typing
from xml.sax.saxutils import escape

WIDTH, HEIGHT, GAP = 400, 300, 16  # of a panel, and between two
LEFT, RIGHT, TOP, BOTTOM = 60, 14, 30, 46  # from its edges to its axes
ACROSS, LEGEND = 2, 20  # panels, or names of the legend, in a row; how high a line of it is
COLOURS = [("#0969da", "#58a6ff"), ("#bc4c00", "#f0883e"), ("#1a7f37", "#3fb950"), ("#8250df", "#bc8cff"), ("#bf3989", "#f778ba"),
           ("#57606a", "#9ea7b3")]  # on light ground, on dark ground
DASHES = ["", "6 3", "2 3"]


class Point(typing.NamedTuple):
    x: float
    y: float
    low: float
    high: float


class Curve(typing.NamedTuple):
    name: str
    points: list
    colour: int = 0
    dash: int = 0


class Panel(typing.NamedTuple):
    title: str
    x_title: str
    y_title: str
    curves: list


class Axis:
    """Values of some decades, from the 1, 2 or 5 below the least to that above the most; what is below lies on the first."""

    def __init__(self, values, begin, end, floor):
        least, most = (max(floor, value) for value in (min(values), max(values)))
        marks = [mark * 10**decade for decade in range(math.floor(math.log10(floor)), 12) for mark in (1, 2, 5)]
        self.least = max(mark for mark in marks if mark <= least)
        self.most = min(mark for mark in marks if mark >= most and mark > self.least)
        self.begin, self.end = begin, end
        inside = [mark for mark in marks if self.least <= mark <= self.most]
        tens = [mark for mark in inside if math.log10(mark).is_integer()]
        self.marks = inside if len(inside) <= 8 else tens

    def at(self, value):
        part = math.log(max(value, self.least) / self.least) / math.log(self.most / self.least)
        return self.begin + part * (self.end - self.begin)


def short(number):
    for unit, name in ((1e6, "M"), (1e3, "k")):
        if number >= unit:
            return f"{number / unit:g}{name}"
    return f"{number:g}"


def text(x, y, words, anchor="middle", kind="", turned=False):
    turn = f' transform="rotate(-90 {x:g} {y:g})"' if turned else ""
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" class="{kind}"{turn}>{escape(words)}</text>'


def line(x1, y1, x2, y2, kind):
    return f'<path class="{kind}" d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}"/>'


def draw_curve(curve, x, y):
    dash = f' stroke-dasharray="{DASHES[curve.dash]}"' if curve.dash else ""
    way = "L".join(f"{x.at(point.x):.1f} {y.at(point.y):.1f}" for point in curve.points)
    yield f'<path class="c{curve.colour} curve"{dash} d="M{way}"/>'
    for point in curve.points:
        yield line(x.at(point.x), y.at(point.low), x.at(point.x), y.at(point.high), f"c{curve.colour} spread")
        yield (f'<circle class="f{curve.colour}" cx="{x.at(point.x):.1f}" cy="{y.at(point.y):.1f}" r="2.6">'
               f"<title>{escape(curve.name)}: {short(point.x)}: {point.y:,.1f}</title></circle>")


def draw_panel(panel, left, top, x_marks):
    points = [point for curve in panel.curves for point in curve.points]
    right, bottom = left + WIDTH - RIGHT, top + HEIGHT - BOTTOM
    x = Axis([point.x for point in points], left + LEFT, right, 1)
    if x_marks:
        x.most, x.marks = x_marks[-1], x_marks
    y = Axis([point.y for point in points] + [point.high for point in points], bottom, top + TOP, panel_floor(points))
    yield text((left + LEFT + right) / 2, top + 18, panel.title, kind="title")
    for mark in y.marks:
        yield line(left + LEFT, y.at(mark), right, y.at(mark), "grid")
        yield text(left + LEFT - 6, y.at(mark) + 4, short(mark), "end")
    for mark in x.marks:
        yield line(x.at(mark), top + TOP, x.at(mark), bottom, "grid")
        yield text(x.at(mark), bottom + 16, short(mark) if not x_marks else flows_mark(mark))
    yield text((left + LEFT + right) / 2, bottom + 36, panel.x_title)
    yield text(left + 14, (top + TOP + bottom) / 2, panel.y_title, turned=True)
    for curve in panel.curves:
        yield from draw_curve(curve, x, y)


def panel_floor(points):
    """Where an axis begins at the least. Where a cost is none at all, or less by the luck of a place in memory, it has at most three decades."""
    positive = [point.y for point in points if point.y > 0] or [1]
    return min(positive) if len(positive) == len(points) else max(min(positive + [1]), max(positive) / 1000)


def flows_mark(mark):
    return {1: "1", 1 << 10: "1k", 1 << 16: "64k", 1 << 20: "1M"}.get(mark, short(mark))


def draw_legend(curves, top):
    for place, curve in enumerate(curves):
        left, middle = 20 + place % ACROSS * (WIDTH + GAP), top + place // ACROSS * LEGEND
        dash = f' stroke-dasharray="{DASHES[curve.dash]}"' if curve.dash else ""
        yield f'<path class="c{curve.colour} curve"{dash} d="M{left} {middle}h28"/>'
        yield text(left + 36, middle + 4, curve.name, "start")


def style():
    def colours(ground):
        rules = [f".c{i}{{stroke:{pair[ground]}}}.f{i}{{fill:{pair[ground]}}}" for i, pair in enumerate(COLOURS)]
        return "".join(rules) + ("text{fill:#1f2328}.grid{stroke:#d0d7de}", "text{fill:#e6edf3}.grid{stroke:#3d444d}")[ground]

    return ("<style>text{font:12px sans-serif}.title{font-weight:bold}path{fill:none}.curve{stroke-width:1.8}"
            f".spread{{stroke-width:1;opacity:.6}}{colours(0)}@media(prefers-color-scheme:dark){{{colours(1)}}}</style>")


def drawing(title, panels, x_marks=None):
    """The text of the file. Curves of one name look the same in all panels and stand in the legend once."""
    rows = math.ceil(len(panels) / ACROSS)
    width = ACROSS * (WIDTH + GAP) - GAP
    legend = list({curve.name: curve for panel in panels for curve in panel.curves}.values())
    below = rows * (HEIGHT + GAP)
    height = below + math.ceil(len(legend) / ACROSS) * LEGEND + 10
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">',
             f"<title>{escape(title)}</title>", style()]
    for place, panel in enumerate(panels):
        left, top = place % ACROSS * (WIDTH + GAP), place // ACROSS * (HEIGHT + GAP)
        parts += draw_panel(panel, left, top, x_marks)
    parts += draw_legend(legend, below + 10)
    return "\n".join([*parts, "</svg>"]) + "\n"
