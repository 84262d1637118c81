"""Write the tables of `configuration.md` anew, from the model of a configuration file and the commands' help.

`python docs/generate.py` does it; a test fails where it was forgotten. What stands between the markers is
generated, all else is written by hand.
"""

import ast
import dataclasses
import inspect
import re
import textwrap
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, get_args, get_origin

import click

from cli.app import app
from cli.config import model
from cli.config.faults import keys_of, marks_of
from cli.config.loading import all_contexts, names_of
from wootric_map.mapping.secrets import SECRET_NAMES

PAGE: Final = Path(__file__).with_name("configuration.md")
_MARKED: Final = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)

_FORMS: Final = {
    model.Flag: "`true` or `false`",
    model.Text: "text",
    model.Scalar: "text or number",
    model.Texts: "list of texts",
    Mapping[str, str]: "table of texts",
    str | None: "text",
}
"""What to write, by the type of a value."""


def generated(page: str) -> str:
    """Return a page with the tables between its markers as the code has them today."""
    tables = {
        "options": _options,
        "mapping": _mapping,
        "elsewhere": _elsewhere,
        "secrets": _secrets,
    }
    return _MARKED.sub(
        lambda found: f"{found[1]}\n" + "\n".join(tables[found[2]]()) + f"\n\n{found[3]}", page
    )


def _secrets() -> Iterator[str]:
    """Yield the names of secrets, a few on a line."""
    text = ", ".join(f"`{name}`" for name in sorted(SECRET_NAMES))
    yield from textwrap.wrap(f"{text}.", 120)


def _options() -> Iterator[str]:
    """Yield a row for each key of an option."""
    yield "| key | value | what it says | of |"
    yield "| --- | --- | --- | --- |"
    options: dict[str, list[tuple[str, click.Option]]] = {}
    for ctx in all_contexts(click.Context(app)):
        for key, option in names_of(ctx.command).items():
            options.setdefault(key, []).append((str(ctx.info_name), option))
    types, alone = keys_of(model.Layer), _docstrings_of_typed_dicts()
    for key in sorted({*options, *alone}):
        commands = [f"`{name}`" for name, _ in options.get(key, ())]
        if key in alone:
            what, where = alone[key], "those that sign in"
        else:
            helps = {str(option.help or ""): None for _, option in options[key]}
            what = " / ".join(filter(None, helps)).replace("; may be given several times", "")
            where = ", ".join(commands)
        yield _row(f"`{key}`", _form(types[key]), what, where)


def _mapping() -> Iterator[str]:
    """Yield a table of keys for each table about the mapping."""
    for name in model.MAPPING:
        rules, heading = keys_of(model.Layer)[name], name
        if get_origin(rules) is Mapping:
            rules, heading = get_args(rules)[1], f'{name}."NAME"'
        yield f"### `[{heading}]`"
        yield ""
        yield str(inspect.getdoc(rules))
        yield ""
        yield "| key | value | what it says |"
        yield "| --- | --- | --- |"
        told, types = _docstrings(rules), keys_of(rules)
        for field in dataclasses.fields(rules):
            yield _row(f"`{field.name}`", _form(types[field.name]), told[field.name])
        yield ""


def _elsewhere() -> Iterator[str]:
    """Yield a row for each key that no file may have."""
    yield "| key | why |"
    yield "| --- | --- |"
    for key, words in model.ELSEWHERE.items():
        yield _row(f"`{key}`", words)


def _row(*cells: str) -> str:
    return f"| {' | '.join(' '.join(each.split()).replace('|', chr(92) + '|') for each in cells)} |"


def _form(type_: Any) -> str:
    marks = marks_of(type_)
    plain = type_.__origin__ if marks else type_
    form = "`true` or `false`, or the table" if plain == model.Sandbox | model.Flag else None
    form = form or _FORMS.get(plain, "table of texts, numbers, `true` or `false`")
    file = next((each for each in marks if isinstance(each, model.File)), None)
    if file is not None:
        form = " or ".join([*(f"`{each}`" for each in file.words), "file"])
    trusted = any(isinstance(each, model.Trusted) for each in marks)
    return f"{form} †" if trusted else form


def _docstrings(described: type) -> dict[str, str]:
    """Return what the source of a class says under each of its fields."""
    (tree,) = ast.parse(inspect.getsource(described)).body
    found = {}
    body = tree.body if isinstance(tree, ast.ClassDef) else []
    for field, below in pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            text = below.value if isinstance(below, ast.Expr) else None
            if isinstance(text, ast.Constant):
                found[field.target.id] = inspect.cleandoc(str(text.value))
    return found


def _docstrings_of_typed_dicts() -> dict[str, str]:
    """Return what the model says about keys that are no options."""
    classes = [each for each in vars(model).values() if inspect.isclass(each)]
    return {
        key: words
        for each in classes
        if each.__module__ == model.__name__ and not dataclasses.is_dataclass(each)
        for key, words in _docstrings_if_written(each).items()
    }


def _docstrings_if_written(described: type) -> dict[str, str]:
    return {} if described is model.Tables else _docstrings(described)


if __name__ == "__main__":
    PAGE.write_text(generated(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
