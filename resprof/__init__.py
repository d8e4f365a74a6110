"""resprof: the bench on which hardware and framework teams put a ResNet.

Importing it loads nothing else; what is asked for is loaded then, torch and pandas where it is
called.
"""

from importlib import import_module

TYPE_CHECKING = False  # that of typing would load it

if TYPE_CHECKING:
    from resprof.api import (
        architecture,
        budget,
        build,
        compare,
        count,
        frame,
        paper,
        predict_memory,
        roofline,
    )

__version__ = "0.1.0"

__all__ = [
    "__version__",
    "architecture",
    "budget",
    "build",
    "compare",
    "count",
    "frame",
    "paper",
    "predict_memory",
    "roofline",
]


if not TYPE_CHECKING:  # where types are checked, a name that is not above is a mistake

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module("resprof.api"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
