"""resprof: the bench on which hardware and framework teams put a ResNet.

Importing it loads neither torch nor pandas; what needs them loads them when it is called.
"""

__version__ = "0.1.0"

from resprof.api import architecture, build, compare, count, frame, paper, roofline

__all__ = [
    "__version__",
    "architecture",
    "build",
    "compare",
    "count",
    "frame",
    "paper",
    "roofline",
]
