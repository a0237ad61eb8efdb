"""Steps of a network whose keys and values stay on the device between calls: what goes to and fro is small.

Copied to the host and back, the keys and values of a base-size network are twelve megabytes a sample and step, more
than a GPU computes in the time.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from m4mcli.models.session import import_runtime

Array = NDArray[Any]


def placed(array: Array, device: str) -> Any:
    """An array as an OrtValue on the device (`cuda`, `cpu`)."""
    return import_runtime().OrtValue.ortvalue_from_numpy(array, device, 0)


def run_bound(
    session: Any, feeds: Mapping[str, Any], fetched: Sequence[str], kept: Sequence[str], device: str
) -> tuple[list[Array], list[Any]]:
    """The outputs `fetched` as arrays, and the outputs `kept` as OrtValues on the device.

    `feeds` are arrays, or OrtValues that an earlier call kept.
    """
    binding = session.io_binding()
    for name, value in feeds.items():
        binding.bind_ortvalue_input(name, value if hasattr(value, "device_name") else placed(value, "cpu"))
    for name in fetched:
        binding.bind_output(name, "cpu")
    for name in kept:
        binding.bind_output(name, device)
    session.run_with_iobinding(binding)
    outputs = binding.get_outputs()
    return [x.numpy() for x in outputs[: len(fetched)]], list(outputs[len(fetched) :])
