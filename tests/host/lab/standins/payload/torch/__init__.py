"""Stand-in for PyTorch: its version and what it says about CUDA."""

from . import cuda as cuda
from . import version as version

__version__ = version.__version__
