"""Random configuration files and suppression lists, for the records that the properties of plans make up."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson
from hypothesis import strategies as st

TRAIT_NAMES = [
    "plan",
    "address",
    "address.city",
    "address.zip",
    "address.*",
    "address_city",
    "tags",
    "createdAt",
    "language",
    "phone",
    "*a*",
]
NEW_KEYS = ["plan", "tier", "address_city", "tags", "phone", "language", "seats_amount"]
EVENT_NAMES = ["Signed Up", "Other", "Survey", "S*"]
PAGE_NAMES = ["/a", "/*", "/b"]
ON_LISTS = ["a@x.io", " B@X.io", "1", "d", "+44 1111"]

Tables = dict[str, dict[str, object]]


@dataclass(frozen=True)
class Configured:
    """What a user decides: the options, and what stands in two files."""

    options: tuple[str, ...] = ()
    tables: Mapping[str, Mapping[str, object]] | None = None
    """What the configuration file says; None for no file."""
    suppressed: tuple[str, ...] = ()
    """The lines of the suppression list; none stands for no list."""

    def written(self, folder: Path) -> tuple[str | Path, ...]:
        """Write the files to a folder, and return all options."""
        options: list[str | Path] = [*self.options]
        if self.tables is not None:
            (folder / "rules.toml").write_text(_toml(self.tables))
            options += ["--config", folder / "rules.toml"]
        if self.suppressed:
            (folder / "list.txt").write_text("".join(f"{line}\n" for line in self.suppressed))
            options += ["--suppress", folder / "list.txt"]
        return tuple(options)


def _toml(tables: Mapping[str, Mapping[str, object]]) -> str:
    """Return tables as TOML: their values are written as in JSON, but for those of inner tables."""
    lines: list[str] = []
    for name, table in tables.items():
        lines.append(f"[{name}]")
        for key, value in table.items():
            if isinstance(value, dict):
                pairs = (f"{_json(old)} = {_json(new)}" for old, new in value.items())
                lines.append(f"{key} = {{ {', '.join(pairs)} }}")
            else:
                lines.append(f"{key} = {_json(value)}")
    return "\n".join(lines) + "\n"


def _json(value: object) -> str:
    return orjson.dumps(value).decode()


def _some(names: list[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(names), min_size=1, max_size=2, unique=True)


def _renamed(old: list[str], new: list[str]) -> st.SearchStrategy[dict[str, str]]:
    plain = [name for name in old if "*" not in name]
    return st.dictionaries(st.sampled_from(plain), st.sampled_from(new), min_size=1, max_size=2)


def _names(names: list[str], new: list[str]) -> st.SearchStrategy[dict[str, object]]:
    return st.fixed_dictionaries(
        {}, optional={"exclude": _some(names), "only": _some(names), "rename": _renamed(names, new)}
    )


_TRAITS = st.fixed_dictionaries(
    {},
    optional={
        "exclude": _some(TRAIT_NAMES),
        "only": _some(TRAIT_NAMES),
        "rename": _renamed(TRAIT_NAMES, NEW_KEYS),
        "as_date": _some(["createdAt", "plan"]),
        "as_amount": _some(["plan", "address.zip"]),
        "as_array": _some(["tags", "plan"]),
        "constants": st.sampled_from([{"source": "segment"}, {"plan": 5}]),
        "flatten": st.booleans(),
    },
)
_TABLES: st.SearchStrategy[Tables] = st.fixed_dictionaries(
    {},
    optional={
        "traits": _TRAITS,
        "events": _names([name for name in EVENT_NAMES if name[0] != "S"], ["Signed Up", "Bought"]),
        "pages": _names(PAGE_NAMES, ["Home"]),
        "identity": st.sampled_from(
            [
                {"placeholders": ["1"]},
                {"placeholders": ["D"]},
                {"placeholders": ["2", "e"]},
                {"external_id": "traits.plan"},
                {"external_id": "traits.address.zip"},
            ]
        ),
        "responses": st.just({"event": "Survey", "score": "properties.feedbackScore"}),
    },
)
CONFIGURED: st.SearchStrategy[Configured] = st.builds(
    Configured,
    st.sampled_from([(), ("--link-anonymous",)]),
    st.none() | _TABLES,
    st.just(()) | st.lists(st.sampled_from(ON_LISTS), max_size=2, unique=True).map(tuple),
)
"""What a user may decide about the records of these properties."""
