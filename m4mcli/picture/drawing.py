"""A drawing as a list of shapes, which `svg` and `png` turn into files. Units are pixels, y grows downwards."""

from dataclasses import dataclass
from typing import Literal

Anchor = Literal["start", "middle", "end"]


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A filled rectangle with corners of `radius`."""

    x: float
    y: float
    width: float
    height: float
    fill: str
    radius: float = 0.0


@dataclass(frozen=True, slots=True)
class Line:
    """A straight line of `width`."""

    x1: float
    y1: float
    x2: float
    y2: float
    stroke: str
    width: float


@dataclass(frozen=True, slots=True)
class Circle:
    """A filled circle."""

    x: float
    y: float
    radius: float
    fill: str


@dataclass(frozen=True, slots=True)
class Label:
    """One line of text; `x` is its start, middle or end as `anchor` says, `y` its baseline."""

    x: float
    y: float
    text: str
    size: float
    fill: str
    anchor: Anchor = "start"
    bold: bool = False


Shape = Rectangle | Line | Circle | Label


@dataclass(frozen=True)
class Drawing:
    """Shapes on paper of `width` x `height`, later ones over earlier ones; `title` says what it shows."""

    width: float
    height: float
    title: str
    shapes: tuple[Shape, ...]


CHARACTER = 0.6
"""Width of a common letter as a share of the size of its font, to leave room for texts."""


def text_width(text: str, size: float) -> float:
    """About how wide a text is."""
    return CHARACTER * size * len(text)
