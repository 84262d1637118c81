"""The model of a configuration file, held against the commands, the page of all keys, and tables to come."""

import dataclasses
import runpy
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict, get_args, get_origin

import click
import pytest

from cli.app import app
from cli.config import model
from cli.config.faults import Fault, faults_in, keys_of, marks_of
from cli.config.loading import all_contexts, key_of

ROOT = Path(__file__).parents[3]
CONTEXTS = {str(each.info_name): each for each in all_contexts(click.Context(app))}
ABOUT_FILES = {"config", "profile", "no_config"}
OF_FILES_ALONE = {"client_secret_command", "password_command"}


def options_of(name: str) -> dict[str, click.Option]:
    params = CONTEXTS[name].command.params
    found = {key_of(each): each for each in params if isinstance(each, click.Option)}
    elsewhere = {*model.ELSEWHERE, *model.MAPPING, *ABOUT_FILES}
    return {key: each for key, each in found.items() if key not in elsewhere}


def plain(type_: Any) -> Any:
    return get_args(type_)[0] if marks_of(type_) else type_


def table_of(name: str) -> Any:
    type_ = keys_of(model.Tables)[name]
    return get_args(type_)[0] if name == "sandbox" else type_


def test_every_command_has_a_table() -> None:
    assert {each for each in CONTEXTS if " " not in each} == set(keys_of(model.Tables))


@pytest.mark.parametrize("name", sorted(keys_of(model.Tables)))
def test_the_table_of_a_command_has_its_options(name: str) -> None:
    keys = set(keys_of(table_of(name)))
    assert keys - OF_FILES_ALONE == set(options_of(name))


@pytest.mark.parametrize("name", sorted(CONTEXTS))
def test_every_option_may_stand_at_the_top_and_has_the_type_that_it_takes(name: str) -> None:
    types = keys_of(model.Layer)
    for key, option in options_of(name).items():
        type_ = types[key]
        if key == "sandbox":
            assert type_ == model.Sandbox | model.Flag
        elif option.is_flag:
            assert plain(type_) is model.Flag, key
        elif option.multiple:
            assert plain(type_) == model.Texts, key
        else:
            assert plain(type_) in (model.Text, model.Scalar), key


@pytest.mark.parametrize("name", sorted(CONTEXTS))
def test_every_file_is_marked(name: str) -> None:
    """A path of a file begins at its folder; where a run writes is taken only from a file that is trusted."""
    types = keys_of(model.Layer)
    for key, option in options_of(name).items():
        names_file = isinstance(option.type, click.Path) or "FILE" in (option.metavar or "")
        marks = marks_of(types[key])
        assert any(isinstance(each, model.File) for each in marks) == names_file, key
        if isinstance(option.type, click.Path) and not option.multiple:
            assert model.Trusted() in marks, key


@pytest.mark.parametrize("key", sorted({*keys_of(model.Account), *keys_of(model.Credentials)}))
def test_who_signs_in_and_where_is_taken_only_from_a_file_that_is_trusted(key: str) -> None:
    assert model.Trusted() in marks_of(keys_of(model.Layer)[key])


def test_the_page_of_all_keys_is_of_today() -> None:
    generate = runpy.run_path(str(ROOT / "docs" / "generate.py"))
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert generate["generated"](page) == page, "run: make docs"
    for key in keys_of(model.Layer):
        assert f"`{key}`" in page or f"`[{key}" in page or key in keys_of(model.Tables), key


class ToCome(TypedDict, total=False):
    surveys_disabled: model.Text


def test_keys_to_come_need_nothing_but_their_types() -> None:
    assert list(faults_in({"surveys_disabled": "traits.unsubscribed"}, ToCome)) == []


def test_roll_ups_are_tables_by_the_events_names() -> None:
    good = {"rollup": {"Order Completed": {"count": "n_amount", "sum": {"x": "x_amount"}}}}
    assert list(faults_in(good)) == []
    bad = {
        "rollup": {
            "Order Completed": {"cuont": "orders"},
            "Signed Up": {"sum": {}},
            "Page.Read": {"first": "first"},
            "Left": 1,
        }
    }
    found = {each.keys: each.words for each in faults_in(bad)}
    assert found["rollup", "Order Completed", "cuont"] == "unknown key; did you mean count?"
    assert "count" in found["rollup", "Signed Up"]
    assert "first_date" in found["rollup", "Page.Read"]
    assert found["rollup", "Left"] == "it is a table: write [rollup.Left]"
    assert len(found) == len(bad["rollup"])


def test_a_dataclass_of_the_library_is_a_table_as_it_stands() -> None:
    for name in model.MAPPING:
        type_ = keys_of(model.Layer)[name]
        rules = get_args(type_)[1] if get_origin(type_) is Mapping else type_
        assert set(keys_of(rules)) == {each.name for each in dataclasses.fields(rules)}
        assert list(faults_in({}, rules)) == []
        assert next(faults_in({"x": 1}, rules)) == Fault(
            ("x",), f"unknown key; there are: {', '.join(sorted(keys_of(rules)))}"
        )
