"""The `wasinn-gen` command: the only place of the generator that prints, reads arguments or exits."""

from __future__ import annotations

import argparse
import io
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from codegen import generate, output
from codegen.source import TemplateProblem, WitxError, nearest, visible

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT: Final = Path(__file__).resolve().parent.parent

_HEADERS_EXAMPLES: Final = """\
examples:
  wasinn-gen headers                                   the project's own files, from witx/
  wasinn-gen headers --check                           exit 1 with a diff when one of them has drifted
  wasinn-gen headers my.witx --lang c,rust --out gen   gen/my.h and gen/my.rs for an interface of yours
  wasinn-gen headers --dialect 2022-08 --lang c --out old   the header for hosts of that epoch
  wasinn-gen headers --templates tpl --lang d --out gen     a language that tpl/d/target.toml adds
"""
_MODEL_EXAMPLES: Final = """\
examples:
  wasinn-gen model digits.onnx                 digits.h and digits.rs
  wasinn-gen model model.xml --name digits --lang c -o src
  wasinn-gen model digits.tflite --check       exit 1 with a diff when they are not of this model
"""
_NEW_EXAMPLES: Final = """\
examples:
  wasinn-gen new hello --lang c                a project with a tiny model: cd hello, make, make run
  wasinn-gen new photo --lang rust --model squeezenet.onnx
"""
_MODULE_NAME: Final = re.compile(r"[0-9A-Za-z!#$%&'*+\-./:<=>?@\\^_`|~]+")
_EXIT: Final = (
    "exit status: 0 all is well, 1 files differ from what would be written, 2 bad usage or bad input"
)


class _UsageError(Exception):
    """Arguments that argparse accepts and that still make no sense together."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name that the terminal cannot show is shown escaped
            stream.reconfigure(errors="backslashreplace")
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options)
        sys.stdout.flush()
    except WitxError as error:
        _say(str(error))
        return 2
    except (_UsageError, TemplateProblem, output.ForeignFileError) as error:
        _say(f"wasinn-gen: error: {error}")
        return 2
    except BrokenPipeError:  # the reader has gone; it has seen what it wanted
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        _say(f"wasinn-gen: error: {error.filename or 'output'}: {error.strerror or error}")
        return 2
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="wasinn-gen",
        description="Generate C, Rust and pages from witx interfaces, bindings to models, and new projects.",
        epilog=f"wasinn-gen COMMAND --help says more.\n{_EXIT}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_headers(commands)
    _add_model(commands)
    _add_new(commands)
    dump = _add(commands, "dump", "print the resolved interface as JSON", "schema: docs/dump.md")
    dump.add_argument("specs", nargs="+", type=Path, metavar="SPEC", help="witx files, in one scope")
    dump.add_argument("--json", action="store_true", help="the output is JSON (it always is; for clarity)")
    dump.set_defaults(run=_dump)
    fmt = _add(commands, "fmt", "format witx files in place", "the formatted text means the same")
    fmt.add_argument("specs", nargs="+", type=Path, metavar="SPEC", help="witx files")
    fmt.add_argument("--check", action="store_true", help="write nothing; exit 1 with a diff instead")
    fmt.set_defaults(run=_fmt)
    check = _add(commands, "check", "validate witx files and write nothing", "quiet when all is well")
    check.add_argument("specs", nargs="+", type=Path, metavar="SPEC", help="witx files, in one scope")
    check.set_defaults(run=_check)
    return parser


def _add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, help_: str, epilog: str
) -> argparse.ArgumentParser:
    description = help_[0].upper() + help_[1:] + "."
    return commands.add_parser(
        name,
        help=help_,
        description=description,
        epilog=f"{epilog}\n{_EXIT}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _add_headers(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = _add(commands, "headers", "write the generated files, or check them", _HEADERS_EXAMPLES)
    parser.add_argument(
        "specs", nargs="*", type=Path, metavar="SPEC",
        help="witx files, in one scope; without any, the project's own interface and its fixed file names",
    )  # fmt: skip
    parser.add_argument(
        "--lang",
        metavar="L,…",
        help="languages: c, rust, python, docs, and those of --templates (default: all)",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="where the files go (default: here)")
    parser.add_argument("--prefix", metavar="P", help="what C names start with (default: the module's name)")
    parser.add_argument("--module", metavar="NAME", help="import from this wasm module, not the text's own")
    parser.add_argument("--dialect", metavar="NAME", help="an epoch or dialect of wasi-nn, from witx/history")
    parser.add_argument("--templates", type=Path, metavar="DIR", help="templates that override or add")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 with a diff on any drift")
    parser.set_defaults(run=_headers)


def _add_model(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = _add(commands, "model", "write typed bindings to a model", f"{_MODEL_EXAMPLES}\n")
    parser.add_argument("model", type=Path, metavar="MODEL", help="IR, ONNX or TFLite: a file or folder")
    parser.add_argument("--lang", metavar="L,…", help="languages: c, rust (default: both)")
    parser.add_argument("--name", metavar="N", help="what the bindings are called (default: as the model)")
    parser.add_argument("-o", "--out", type=Path, metavar="DIR", help="where they go (default: here)")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 with a diff on any drift")
    parser.set_defaults(run=_model)


def _add_new(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = _add(commands, "new", "make a project that builds and runs as it is", f"{_NEW_EXAMPLES}\n")
    parser.add_argument("name", metavar="NAME", help="its folder, which must not be there yet")
    parser.add_argument("--lang", required=True, choices=("c", "cpp", "rust"), help="the guest's language")
    parser.add_argument(
        "--model", type=Path, metavar="MODEL", help="a model to start from (default: a tiny one)"
    )
    parser.set_defaults(run=_new)


def _headers(options: argparse.Namespace) -> int:
    specs = _specs(options)
    chosen = (options.lang, options.out, options.prefix, options.module, options.templates)
    if specs is None and any(choice is not None for choice in chosen):
        specs = (ROOT / generate.SPEC,)
        if options.out is None:
            raise _UsageError("the project's own files have fixed places: give --out DIR with other options")
    if specs is not None:
        files = _files(specs, options)
        orphans: tuple[output.Drift, ...] = ()
    else:
        files = generate.headers(ROOT)
        orphans = output.orphans(files)
    if options.check:
        return _shown_drift((*output.check(files), *orphans))
    output.refuse_foreign(files)
    return _written(files)


def _specs(options: argparse.Namespace) -> tuple[Path, ...] | None:
    """Return the files to read; None for the project's own interface."""
    if options.dialect is None:
        return tuple(options.specs) or None
    if options.specs:
        raise _UsageError("--dialect names a text of ours: give it or SPEC, not both")
    if options.out is None:
        raise _UsageError("--dialect needs --out DIR: the project's own files are of the current dialect")
    known = {generate.CURRENT: ROOT / generate.SPEC}
    known |= {path.stem: path for path in sorted((ROOT / generate.HISTORY).glob("*.witx"))}
    if options.dialect not in known:
        guess = nearest(options.dialect, known)
        hint = f"; did you mean `{guess}`?" if guess else ""
        raise _UsageError(f"no dialect `{options.dialect}`{hint} (there are {', '.join(known)})")
    return (known[options.dialect],)


def _files(specs: tuple[Path, ...], options: argparse.Namespace) -> dict[Path, str]:
    from codegen import user  # noqa: PLC0415 (Jinja is a third of the start-up time)

    if options.prefix is not None and not any(c.isalnum() and c.isascii() for c in options.prefix):
        raise _UsageError(f"--prefix {options.prefix!r}: needs a letter or digit")
    if options.templates is not None and not options.templates.is_dir():
        raise _UsageError(f"--templates {options.templates}: not a folder")
    if options.module is not None and not _MODULE_NAME.fullmatch(options.module):
        raise _UsageError(f"--module {options.module!r}: letters, digits and the symbols of a witx name only")
    choices = generate.Options(options.prefix, options.module, options.templates)
    document = generate.document(specs)
    if not (document.types or document.modules or document.constants):
        raise _UsageError(f"{specs[0]}: declares nothing to generate from")
    added = user.names(options.templates)
    for lang in set(added).intersection(generate.TARGETS):
        raise _UsageError(f"--templates: `{lang}` is a language of ours; its own needs another name")
    langs = [*generate.TARGETS, *added] if options.lang is None else options.lang.split(",")
    out = options.out or Path()
    files: dict[Path, str] = {}
    for lang in langs:
        if lang not in generate.TARGETS and lang not in added:
            raise _UsageError(f"no language `{lang}` (there are {', '.join((*generate.TARGETS, *added))})")
        is_ours = lang in generate.TARGETS
        suffix = generate.TARGETS[lang].suffix if is_ours else user.target(options.templates, lang).suffix
        path = out / f"{specs[0].stem}{suffix}"
        if path in files:
            raise _UsageError(f"two languages would write {path}: choose with --lang")
        files[path] = generate.text(document, lang, choices)
    return files


def _model(options: argparse.Namespace) -> int:
    from codegen.bindings import generate as bindings  # noqa: PLC0415 (Jinja and OpenVINO are slow to load)
    from codegen.bindings.read import UnboundError, read  # noqa: PLC0415 (as above)

    langs = list(bindings.LANGUAGES) if options.lang is None else options.lang.split(",")
    for lang in langs:
        if lang not in bindings.LANGUAGES:
            raise _UsageError(f"no bindings in `{visible(lang)}` (there are {', '.join(bindings.LANGUAGES)})")
    if options.name is not None and not any(c.isalnum() and c.isascii() for c in options.name):
        raise _UsageError(f"--name {options.name!r}: needs a letter or digit")
    try:
        model = read(options.model, options.name)
    except UnboundError as error:
        raise _UsageError(str(error)) from error
    folder = options.out or Path()
    files = {folder / bindings.file_name(model, lang): bindings.text(model, lang) for lang in langs}
    if options.check:
        return _shown_drift(output.check(files))
    output.refuse_foreign(files)
    return _written(files)


def _new(options: argparse.Namespace) -> int:
    from codegen.bindings.read import UnboundError  # noqa: PLC0415 (only this command needs it)
    from codegen.projects.create import ProjectError, create  # noqa: PLC0415 (as above)

    try:
        made = create(Path(), options.name, options.lang, options.model)
    except (ProjectError, UnboundError) as error:
        raise _UsageError(str(error)) from error
    _print(f"{_shown(made)}: see {_shown(made / 'README.md')} for how to build and run it")
    return 0


def _written(files: dict[Path, str]) -> int:
    for path in output.write(files):
        _print(_shown(path))
    return 0


def _shown_drift(drifts: tuple[output.Drift, ...]) -> int:
    for drift in drifts:
        _say(f"{_shown(drift.path)} {drift.problem}")
        _print(drift.diff, end="")
    if drifts:
        _say("wasinn-gen: run the same command without --check and commit what it writes")
    return 1 if drifts else 0


def _dump(options: argparse.Namespace) -> int:
    import json  # noqa: PLC0415 (only this command needs it)

    from codegen.dump import dump  # noqa: PLC0415 (as above)

    _print(json.dumps(dump(generate.document(tuple(options.specs))), indent=2))
    return 0


def _fmt(options: argparse.Namespace) -> int:
    from codegen.formatter import format_source  # noqa: PLC0415 (only this command needs it)
    from codegen.loader import read_source  # noqa: PLC0415 (as above)

    files = {path: format_source(read_source(path)) for path in options.specs}
    return _shown_drift(output.check(files)) if options.check else _written(files)


def _check(options: argparse.Namespace) -> int:
    generate.document(tuple(options.specs))
    return 0


def _shown(path: Path) -> str:
    absolute, here = path.absolute(), Path.cwd()
    return str(absolute.relative_to(here)) if absolute.is_relative_to(here) else str(path)


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def _print(text: str, end: str = "\n") -> None:
    print(text, end=end)


if __name__ == "__main__":
    sys.exit(main())
