"""resprof: the bench on which hardware and framework teams put a ResNet.

Importing it loads neither torch nor pandas; what needs them loads them when it is called.
"""

__version__ = "0.1.0"

from resprof.api import architecture, build, count, frame, paper

__all__ = ["__version__", "architecture", "build", "count", "frame", "paper"]
