"""`python -m host`; the process ends at once: to take all apart first takes as long as a small run."""

import gc

gc.set_threshold(50_000)  # what is imported stays: to look for garbage in it takes a twentieth of a small run

from host.cli import main  # noqa: E402 - see above
from host.console import leave  # noqa: E402 - see above

leave(main())
