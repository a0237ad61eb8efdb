"""Arrays that grow along an axis: they are longer than what they hold, so that nothing is copied to hold one more."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOM = 64
"""Places for which an array has room at first, and for which it gets room whenever it is full: it is read whole."""

Array = NDArray[Any]


def put(array: Array, new: Array, axis: int, length: int) -> Array:
    """The array with `new` behind the first `length` places of the axis: itself, or a longer one where it is full.

    Places that hold nothing are zeros.
    """
    stop = length + new.shape[axis]
    if stop > array.shape[axis]:
        shape = list(array.shape)
        shape[axis] = -(-stop // ROOM) * ROOM
        longer = np.zeros(shape, array.dtype)
        longer[_places(array.ndim, axis, 0, length)] = array[_places(array.ndim, axis, 0, length)]
        array = longer
    array[_places(array.ndim, axis, length, stop)] = new
    return array


def _places(axes: int, axis: int, first: int, stop: int) -> tuple[slice, ...]:
    return tuple(slice(first, stop) if i == axis else slice(None) for i in range(axes))
