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
        known, array = array, np.zeros(shape, array.dtype)
        array.swapaxes(0, axis)[:length] = known.swapaxes(0, axis)[:length]
    array.swapaxes(0, axis)[length:stop] = new.swapaxes(0, axis)
    return array
