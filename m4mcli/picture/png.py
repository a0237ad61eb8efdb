"""A drawing as a PNG file, by Pillow (`m4m[picture]`) with the font that it brings, so that pictures are alike."""

import re
from io import BytesIO
from typing import Any

from m4mcli.errors import M4mError
from m4mcli.options import printable
from m4mcli.picture.colours import PAPER
from m4mcli.picture.drawing import Circle, Drawing, Label, Line, Rectangle, Shape

SCALE = 2
"""Pixels of the file to one of the drawing."""

FINER = 2
"""How many times finer shapes are drawn, to be scaled down with smooth edges; huge pictures are not."""

MOST_PIXELS = 120_000_000
BEYOND_FONT = re.compile("[^\u0020-\u007e\u00c0-\u024f…]+")
"""What the font has no letters for; SVG has them all."""

ANCHORS = {"start": "ls", "middle": "ms", "end": "rs"}


def png(drawing: Drawing) -> bytes:
    """The drawing as a PNG file of SCALE times its size. Raises M4mError where that would be too large."""
    from PIL import Image, ImageDraw, ImageFont

    size = round(drawing.width * SCALE), round(drawing.height * SCALE)
    finer = FINER if size[0] * size[1] * FINER**2 <= MOST_PIXELS else 1
    if size[0] * size[1] > MOST_PIXELS:
        raise M4mError(f"a picture of {size[0]} x {size[1]} pixels is too large", "show fewer bars, or write .svg")
    fine = Image.new("RGB", (size[0] * finer, size[1] * finer), PAPER)
    canvas = ImageDraw.Draw(fine)
    for shape in drawing.shapes:
        _draw(canvas, shape, SCALE * finer)
    whole = fine.resize(size, Image.Resampling.BOX)
    canvas = ImageDraw.Draw(whole)
    for label in (shape for shape in drawing.shapes if isinstance(shape, Label)):
        font = ImageFont.load_default(label.size * SCALE)
        canvas.text(
            (label.x * SCALE, label.y * SCALE),
            BEYOND_FONT.sub("…", printable(label.text)),
            fill=label.fill,
            font=font,
            anchor=ANCHORS[label.anchor],
            stroke_width=0.35 * SCALE if label.bold else 0,
        )
    buffer = BytesIO()
    whole.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _draw(canvas: Any, shape: Shape, scale: int) -> None:
    match shape:
        case Rectangle(x, y, width, height, fill, radius):
            box = [x * scale, y * scale, (x + width) * scale - 1, (y + height) * scale - 1]
            canvas.rounded_rectangle([box[0], box[1], max(box[0], box[2]), max(box[1], box[3])], radius * scale, fill)
        case Line(x1, y1, x2, y2, stroke, width):
            canvas.line([x1 * scale, y1 * scale, x2 * scale, y2 * scale], stroke, max(1, round(width * scale)))
        case Circle(x, y, radius, fill):
            canvas.ellipse(
                [(x - radius) * scale, (y - radius) * scale, (x + radius) * scale, (y + radius) * scale], fill
            )
