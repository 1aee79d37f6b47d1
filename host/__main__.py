"""`python -m host`; the process ends at once: to take all apart first takes as long as a small run."""

import os
import sys
from contextlib import suppress

from host.cli import main

code = main()
for stream in (sys.stdout, sys.stderr):
    with suppress(OSError, AttributeError):  # its reader is gone, or it was closed by whoever started us
        stream.flush()
os._exit(code)
