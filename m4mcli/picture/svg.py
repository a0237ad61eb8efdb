"""A drawing as SVG text (W3C, Scalable Vector Graphics 1.1): shapes and text alone, so that every program shows it."""

from xml.sax.saxutils import escape, quoteattr

from m4mcli.options import printable
from m4mcli.picture.colours import PAPER
from m4mcli.picture.drawing import Circle, Drawing, Label, Line, Rectangle, Shape

FONTS = "Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"


def svg(drawing: Drawing) -> str:
    """The drawing as an SVG file; the same drawing gives the same text."""
    width, height = _number(drawing.width), _number(drawing.height)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" font-family={quoteattr(FONTS)}>',
            f"<title>{escape(printable(drawing.title))}</title>",
            f'<rect width="{width}" height="{height}" fill="{PAPER}"/>',
            *map(_element, drawing.shapes),
            "</svg>\n",
        ]
    )


def _number(value: float) -> str:
    return f"{round(value, 2):.2f}".rstrip("0").rstrip(".")


def _element(shape: Shape) -> str:
    n = _number
    match shape:
        case Rectangle(x, y, width, height, fill, radius):
            corners = f' rx="{n(radius)}"' if radius else ""
            return f'<rect x="{n(x)}" y="{n(y)}" width="{n(width)}" height="{n(height)}"{corners} fill="{fill}"/>'
        case Line(x1, y1, x2, y2, stroke, width):
            ends = f'x1="{n(x1)}" y1="{n(y1)}" x2="{n(x2)}" y2="{n(y2)}"'
            return f'<line {ends} stroke="{stroke}" stroke-width="{n(width)}"/>'
        case Circle(x, y, radius, fill):
            return f'<circle cx="{n(x)}" cy="{n(y)}" r="{n(radius)}" fill="{fill}"/>'
        case Label(x, y, text, size, fill, anchor, bold):
            weight = ' font-weight="bold"' if bold else ""
            place = f'x="{n(x)}" y="{n(y)}" font-size="{n(size)}"{weight} text-anchor="{anchor}"'
            return f'<text {place} fill="{fill}">{escape(printable(text))}</text>'
