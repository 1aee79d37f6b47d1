"""What an operator writes of a model on a server: it is read whole, or refused at the start."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from host.abi import NnErrno
from host.api import Graphs
from host.errors import Condition
from host.models.files import RegistrationError
from host.models.graphs import from_manifest, from_text
from tests.host.remotes import ROOT, SECRET, address, guest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("v2+grpc://h/m", "it must be"),
        ("v2+grpc://h:0/m", "it must be"),
        ("v2+grpc://:1/m", "it must be"),
        ("v2+grpc://h:1", "it must be"),
        ("v2+grpc://h:1/m/1/2", "it must be"),
        ("v2+grpc://h:1/", "have a name"),
        ("v2+grpc://h:1/m/", "have a name"),
        ("v2+http://h:1/..", "have a name"),
        ("v2+http://h:1/%2e%2e", "have a name"),
        ("v2+http://h:1/m%0d%0aX", "have a name"),
        ("v2+http://h:1/m%ff", "not UTF-8"),
        ("v2+http://h:1/m\nX", "control characters"),
        ("v2+http://h:1/a b", "blanks"),
        ("v2+grpc://h:65536/m", "the port is none"),
        ("v2+grpc://h:x/m", "the port is none"),
        ("v2+grpc://[::g]:1/m", "the host"),
        ("v2+grpc://unix%3a:1/m", "it must be"),
        (
            "v2+tcp://h:1/m",
            "there is no such scheme: it must be v2+grpc://HOST:PORT/MODEL[/VERSION], or v2+grpcs,",
        ),
        ("V2+GRPC://h:1/m", "there is no such scheme: it must be v2+grpc://"),
        ("grpc://h:1/m", "there is no such scheme"),
        ("http://h:1/m", "there is no such scheme"),
        ("S3://h/m.xml", "there is no such scheme"),
        ("v2+grpc:/h:1/m", "there is no such scheme"),
        (
            "v2+http://h:1/m,n",
            "write %3F, %23, %2C, %3D in a name; options are `,timeout=`, `,ca=`, `,header=`",
        ),
        ("v2+http://h:1/m=n", "write %3F, %23, %2C, %3D in a name"),
        ("v2+http://h:1/m?", "write %3F, %23, %2C, %3D in a name"),
        ("v2+http://h:1/m?x=1", "`?`"),
        ("v2+http://h:1/m#x", "`?`"),
        ("v2+http://h:1/m,device=CPU", "has no `device`, only timeout, ca, header"),
        ("v2+http://h:1/m,sha256=0", "has no `sha256`"),
        ("v2+http://h:1/m,timeuot=1", "there is no option `timeuot`"),
        ("v2+http://h:1/m,timeout=0", "`timeout`: `0` is no time"),
        ("v2+http://h:1/m,timeout=1,timeout=2", "`timeout` is given 2 times"),
        ("v2+https://h:1/m,ca=/no/such", "`ca`: there is no file"),
        (f"v2+http://h:1/m,ca={__file__}", "`ca` is for v2+https only"),
        ("v2+http://h:1/m,header=User-Agent:env:X", "`User-Agent` is not for you to set"),
        ("v2+http://h:1/m,header=Host:env:X", "`Host` is not for you to set"),
        ("v2+http://h:1/m,header=grpc-timeout:env:X", "not for you"),
        ("v2+http://h:1/m,header=a-bin:env:X", "not for you"),
        ("v2+http://h:1/m,header=A b:env:X", "`header` is NAME:env:VARIABLE"),
        ("v2+http://h:1/m,header=A:env:", "`header` is NAME:env:VARIABLE"),
    ],
)
def test_address_or_option_that_cannot_be_is_refused_at_the_start(text: str, problem: str) -> None:
    with pytest.raises(RegistrationError) as caught:
        from_text(f"m={text}")
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        f"v2+grpc://user:{SECRET}@h:1/m",
        f"v2+grpc://user:a/{SECRET}@h:1/m",
        f"v2+grpc://{SECRET}@h:1/m",
        f"v2+http://h:1/m?token={SECRET}",
        f"v2+http://h:1/m,header=Authorization:Bearer {SECRET}",
        f"v2+http://h:1/m,header={SECRET}",
        f"v2+http://h:1/m,timeout=x,header=Authorization:{SECRET}",
        f"v2+nope://{SECRET}:1/m",
        f"V2+GRPC://user:{SECRET}@h:1/m",
        f"grpc://user:{SECRET}@h:1/m",
        f"https://user:{SECRET}@h/m.xml",
        f"v2+grpc:/user:{SECRET}@h:1/m",
        f"v2+grpc:user:{SECRET}@h:1/m",
        f"v2+http://h:1/m,header:Authorization={SECRET}",
        f"v2+http://h:1/m,Authorization:{SECRET}",
        f"v2+http://h:1/m,header=A:env:X,header:Authorization={SECRET}",
        f"v2+http://h:1/m,token={SECRET}",
    ],
)
def test_secret_that_is_written_out_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(RegistrationError) as caught:
        from_text(f"m={text}")
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("text", [f"v2+grpc://u:{SECRET}@h:1/m", f"grpc://u:{SECRET}@h:1/m,header=A:env:B"])
def test_address_without_a_name_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(RegistrationError, match="has a name in front of it") as caught:
        from_text(text)
    assert SECRET not in str(caught.value)


def test_address_is_read_whole(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.touch()
    found = address(f"v2+https://[::1]:8001/a%2Fb%2C/3,timeout=2m,ca={ca},header=X-Key:env:KEY")
    assert (found.host, found.port, found.model, found.version) == ("::1", 8001, "a/b,", "3")
    assert (found.timeout, found.ca) == (120.0, ca)
    assert str(found) == "v2+https://[::1]:8001/a%2Fb%2C/3"


def test_time_is_bounded_unless_told() -> None:
    assert address("v2+grpc://h:1/m").timeout == 30.0


def test_three_ways_to_register_give_the_same(tmp_path: Path) -> None:
    manifest = tmp_path / "m.toml"
    manifest.write_text('[graphs.m]\npath = "v2+grpc://h:1/m"\ntimeout = 5\nheader = "A:file:token"\n')
    header = f"A:file:{tmp_path / 'token'}"
    made = from_text(f"m=v2+grpc://h:1/m,timeout=5,header={header}").model
    assert from_manifest(manifest)[0].model == made
    by_api = Graphs().add("m", "v2+grpc://h:1/m", timeout=5, header=header).registry()
    assert by_api.models["m"] == made


def test_manifest_refuses_options_of_local_models(tmp_path: Path) -> None:
    manifest = tmp_path / "m.toml"
    manifest.write_text('[graphs.m]\npath = "v2+grpc://h:1/m"\nthreads = 2\n')
    with pytest.raises(RegistrationError, match="a remote model has no `threads`"):
        from_manifest(manifest)


def test_guest_cannot_configure_it() -> None:
    made = guest("v2+grpc://127.0.0.1:1/m")
    assert made.load_by_name_with_config(b"m", b'{"device": "NPU"}') == NnErrno.UNSUPPORTED_OPERATION
    assert made.condition is Condition.OPTION_FIXED


def test_without_tritonclient_the_extra_is_named() -> None:
    code = (
        "import sys; sys.modules['tritonclient'] = None\n"
        "from host.models.graphs import from_text\nfrom host.backends.remote import connect\n"
        "connect(from_text('m=v2+grpc://127.0.0.1:1/m').model.path)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert "pip install 'wasinn-sdk[remote]'" in done.stderr.splitlines()[-1]


def test_registering_loads_neither_tritonclient_nor_a_socket() -> None:
    code = (
        "import sys\nfrom host.models.graphs import from_text\n"
        "from_text('m=v2+grpc://127.0.0.1:1/m')\n"
        "print([m for m in ('tritonclient', 'grpc', 'numpy', 'ssl', 'http.client') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "[]\n"
