"""wasi_nn_sha256.h: the digest of any bytes."""

from __future__ import annotations

import hashlib
import subprocess
from typing import TYPE_CHECKING

from tests.guest.claims import SANITIZE

if TYPE_CHECKING:
    from pathlib import Path

    from tests.guest.conftest import Compiler


def test_the_digest_is_python_s_under_sanitizers(sanitizing: Compiler, tmp_path: Path) -> None:
    source = tmp_path / "sha.c"
    source.write_text("""#include "wasi_nn_sha256.h"
int main(void) {
  static const size_t sizes[] = {55, 56, 63, 64, 65, 119, 120, 128, 1000};
  size_t i, j, size;
  for (i = 0; i < 73; i++) {
    uint8_t digest[32];
    uint8_t *data;
    size = i < 64 ? i : sizes[i - 64];
    data = (uint8_t *)malloc(size ? size : 1);
    for (j = 0; j < size; j++) data[j] = (uint8_t)(j * 7 + i);
    wasi_nn_sha256(size ? data : NULL, size, digest);
    for (j = 0; j < sizeof digest; j++) printf("%02x", digest[j]);
    printf("\\n");
    free(data);
  }
  return 0;
}
""")
    program = sanitizing.build(source, tmp_path / "sha", "-std=c99", "-DWASI_NN_NATIVE", *SANITIZE, "-lm")
    done = subprocess.run([program], capture_output=True, text=True, check=True)
    sizes = [*range(64), 55, 56, 63, 64, 65, 119, 120, 128, 1000]
    assert done.stdout.split() == [
        hashlib.sha256(bytes((j * 7 + i) % 256 for j in range(size))).hexdigest()
        for i, size in enumerate(sizes)
    ]
