"""The whole way from witx files to generated text: load, resolve, build a target's view, render.

It writes nothing; `output` does. Targets and Jinja are imported when first needed: a bad spec needs none.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from codegen import naming
from codegen.layout import Layouts
from codegen.loader import Loader
from codegen.resolve import resolve
from codegen.source import Diagnostic, WitxError, quoted
from codegen.targets.view import Base

if TYPE_CHECKING:
    from codegen import model, syntax

SPEC: Final = "witx/wasi_ephemeral_nn.witx"
HISTORY: Final = "witx/history"
EXTENSIONS: Final = "witx/extensions"
EXAMPLE_TEMPLATES: Final = "examples/template-assemblyscript"
MEMORY: Final = (1 << 32) - 1
"""The largest size a wasm32 pointer difference can have, in bytes."""
CURRENT: Final = "current"
"""What the current interface is called among the dialects."""


@dataclass(frozen=True, slots=True)
class Target:
    """A built-in output language; `codegen.targets.<name>` builds what `template` prints."""

    name: str
    template: str
    suffix: str
    blank_lines: int = 1


TARGETS: Final = {
    target.name: target
    for target in (
        Target("c", "c/header.h.j2", ".h"),
        Target("rust", "rust/raw.rs.j2", ".rs"),
        Target("python", "python/abi.py.j2", ".py", blank_lines=2),
        Target("docs", "docs/reference.md.j2", ".md"),
    )
}


@dataclass(frozen=True, slots=True)
class Options:
    """What the caller may choose.

    Attributes:
        prefix: what C names start with; None derives it from the module's name.
        module: the wasm module to import from; None takes the name in the witx text.
        templates: a folder of templates that override or add to the built-in ones.
    """

    prefix: str | None = None
    module: str | None = None
    templates: Path | None = None


DEFAULT: Final = Options()


def document(specs: tuple[Path, ...], parsed: dict[Path, syntax.File] | None = None) -> model.Document:
    """Return the resolved document of these files, in one scope; `parsed` is shared between documents.

    Raises:
        WitxError: something in them is wrong.
    """
    found = resolve(tuple(map(str, specs)), Loader(parsed).load)
    layouts = Layouts(found)
    for definition in found.types:
        size = layouts.of(definition.type).size
        if size > MEMORY:  # the first alone: those that hold it are too large for its sake
            message = f"type {quoted('$' + definition.name)} has {size} bytes, more than wasm32 has memory"
            raise WitxError([Diagnostic(message, definition.span)])
    return found


def renamed(found: model.Document, module: str) -> model.Document:
    """Return a document whose one module has another name.

    Raises:
        WitxError: there are several modules.
    """
    if len(found.modules) > 1:
        message = "a module name was given, but the text has several modules"
        raise WitxError([Diagnostic(message, found.modules[1].span)])
    modules = tuple(dataclasses.replace(one, name=module) for one in found.modules)
    return dataclasses.replace(found, modules=modules)


def text(found: model.Document, lang: str, options: Options = DEFAULT, **extra: object) -> str:
    """Return what a target makes of a document.

    Args:
        found: the document.
        lang: a built-in target or one that `options.templates` adds.
        options: the caller's choices.
        extra: more for the target's `build`.

    Raises:
        WitxError: names collide, or the target cannot express something.
        TemplateProblem: a template of the user's is wrong.
    """
    from codegen import render, user  # noqa: PLC0415 (Jinja is a third of the start-up time)

    prefix = prefix_of(found, options)
    if options.module is not None:
        found = renamed(found, options.module)
    target = TARGETS.get(lang)
    if target is None:
        added = user.target(options.templates, lang)
        environment = user.environment(added)
        return render.render(environment, added.template, user.view(found, prefix))
    build = import_module(f"codegen.targets.{lang}").build
    if lang == "c":
        extra = {"prefix": prefix, "stem": Path(found.roots[0].path).stem, **extra}
    view: Any = build(found, **extra)
    environment = render.environment(options.templates)
    return render.render(environment, target.template, view, blank_lines=target.blank_lines)


def prefix_of(found: model.Document, options: Options) -> str:
    """Return what C names start with: as chosen, or from the first module's (else the first file's) name."""
    if options.prefix is not None:
        return "_".join(naming.words(options.prefix)) + "_"
    if found.modules:
        return naming.prefix_of(found.modules[0].name)
    return naming.prefix_of(Path(found.sources[0].path).stem)


def headers(root: Path) -> dict[Path, str]:
    """Return path and text of every file generated from the project's own interface.

    Raises:
        WitxError: the witx text is wrong, or a target cannot express it.
    """
    parsed: dict[Path, syntax.File] = {}
    current = document((root / SPEC,), parsed=parsed)
    history = sorted((root / HISTORY).glob("*.witx"))
    epochs = {CURRENT: current, **{path.stem: document((path,), parsed=parsed) for path in history}}
    stem = Path(SPEC).stem
    files = {
        root / f"guest/c/include/{stem}.h": text(current, "c"),
        root / "guest/rust/src/raw.rs": text(current, "rust"),
        root / "host/abi.py": text(current, "python", epochs=epochs),
        root / f"docs/{stem}.md": text(current, "docs"),
    }
    lang = "assemblyscript"
    if (root / EXAMPLE_TEMPLATES / lang).is_dir():  # not in an installed package
        options = Options(templates=root / EXAMPLE_TEMPLATES)
        files[root / EXAMPLE_TEMPLATES / f"{stem}.ts"] = text(current, lang, options)
    for path in sorted((root / EXTENSIONS).glob("*.witx")):
        extension, types = _extension(document((path,), parsed=parsed), current)
        name = f"{stem}_{path.stem}"
        c_base, rust_base = Base(stem, types), Base("raw", types)
        files[root / f"guest/c/include/{name}.h"] = text(extension, "c", stem=name, base=c_base)
        files[root / f"guest/rust/src/raw_{path.stem}.rs"] = text(extension, "rust", base=rust_base)
    return files


def _extension(
    extension: model.Document, base: model.Document
) -> tuple[model.Document, frozenset[model.TypeDef]]:
    """Return an extension without the constants its base has, and the types of the files they share."""
    shared = frozenset(base.sources)
    types = frozenset(t for t in extension.types if t.span.source in shared)
    constants = tuple(c for c in extension.constants if c.span.source not in shared)
    return dataclasses.replace(extension, constants=constants), types
