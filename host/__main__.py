"""`python -m host`; the process ends at once: to take all apart first takes as long as a small run."""

from host.cli import main
from host.console import leave

leave(main())
