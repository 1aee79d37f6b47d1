"""`python -m host cache`: tell what is kept of compiled guests and models, or remove it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Final

from host.cache import CacheUnusableError, user_cache
from host.console import Parser, UsageError, write
from host.quantities import shown_size

_EPILOG: Final = """\
Guests and models are compiled once and kept for later runs, found again only by all that they were made of:
their bytes, the versions of Wasmtime and OpenVINO, the processor, device, precision, threads. The folder is
`wasinn` in $XDG_CACHE_HOME, or else in ~/.cache. What was not used for longest makes room when there is more
than $WASINN_CACHE_SIZE in it (1G when that is not set).

examples:
  python -m host cache
      the folder, how many entries are in it, how much room they take

  python -m host cache --clear
      remove them; the next runs compile anew, and choose the number of threads anew

exit codes: 0 told or removed, 2 bad usage, or there can be no cache.
"""


def main(arguments: list[str]) -> int:
    """Print what is in the cache, or clear it."""
    parser = Parser("cache", "Tell what is kept of compiled guests and models, or remove it.", _EPILOG)
    parser.add_argument("--clear", action="store_true", help="remove all entries")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    try:
        kept = user_cache()
    except CacheUnusableError as error:
        raise UsageError(str(error)) from error
    usage = kept.clear() if options.clear else kept.usage()
    if options.json:
        facts = {"folder": str(kept.folder), "most": kept.most, **asdict(usage), "cleared": options.clear}
        write(json.dumps(facts, indent=2) + "\n")
    else:
        done = "removed" if options.clear else f"of at most {shown_size(kept.most)}"
        write(f"{kept.folder}: {usage.entries} entries, {shown_size(usage.bytes)} {done}\n")
    return 0
