"""What a trait becomes in Wootric, found by mapping samples of its values as any record is mapped."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from wootric_map.inspection.inspection import Destination, PropertyKind
from wootric_map.inspection.trait_table import Path, TraitStats
from wootric_map.mapping.property_names import Naming
from wootric_map.mapping.rewriting import Rewriting
from wootric_map.mapping.rules import MappingRules, TraitRules
from wootric_map.mapping.settings import group_properties, map_record
from wootric_map.read.record import Group, Identify

_USER_ID: Final = "u"
"""The `userId` of the samples; it looks like no email."""
_GROUP_ID: Final = "g"
"""The `groupId` of the samples."""

_KINDS: Final[Mapping[str, PropertyKind]] = {
    "_amount": "amount",
    "_date": "date",
    "_array": "array",
}


class TraitMapping(NamedTuple):
    """What a trait becomes, and which warnings its values give."""

    becomes: tuple[Destination, ...]
    warnings: tuple[str, ...]


def trait_mappings(
    traits: Mapping[Path, TraitStats], naming: Naming, included: Sequence[str]
) -> Mapping[Path, TraitMapping]:
    """Return what each trait becomes.

    Args:
        traits: the traits, with samples of their values, rewritten by the user's rules but for secrets.
        naming: how properties are named.
        included: the traits that are sent though their names are those of secrets.
    """
    rewriting = Rewriting(MappingRules(TraitRules(include=tuple(included))))
    found = {path: _of_trait(path, stats, naming, rewriting) for path, stats in traits.items()}
    for path in _colliding(traits, found, naming):
        becomes, warnings = found[path]
        found[path] = TraitMapping(becomes, tuple(sorted({*warnings, "key_collision"})))
    return found


def group_trait_mappings(
    traits: Mapping[Path, TraitStats], naming: Naming, rules: MappingRules
) -> Mapping[Path, TraitMapping]:
    """Return what each trait of groups becomes in the members; nothing if groups are not taken.

    Args:
        traits: the traits, with samples of their values, rewritten by the user's rules but for secrets.
        naming: how properties are named.
        rules: the user's rules.
    """
    included = TraitRules(include=rules.traits.include)
    rewriting = Rewriting(MappingRules(included, group_prefix=rules.group_prefix))
    found = {}
    for path, stats in traits.items():
        becomes: dict[Destination, None] = {}
        codes: set[str] = set()
        for value in _values(stats):
            own = _nested({own_path(path, rules): value})
            sent = rewriting.of(Group(_USER_ID, None, None, None, {}, _GROUP_ID, own))
            if not isinstance(sent, Group):
                continue
            codes.update(each.code for each in sent.warnings)
            if group_properties(sent.traits, sent.prefix, naming=naming)[0]:  # it is no secret
                fields = _nested({path: value})
                properties, more = group_properties(fields, sent.prefix, naming=naming)
                becomes |= {
                    Destination(each.name, _kind_of(each.name)): None for each in properties
                }
                codes.update(each.code for each in more)
        found[path] = TraitMapping(tuple(becomes), tuple(sorted(codes)))
    return found


def own_path(path: Path, rules: MappingRules) -> Path:
    """Return the keys of a group's trait in the group's own records.

    Args:
        path: the keys once the user's rules are applied.
        rules: the user's rules.
    """
    top, *within = path
    renamed = {new: old.split(".") for old, new in rules.traits.rename.items()}
    top, *above = renamed.get(top, [top])
    return (top.removeprefix(f"{rules.group_prefix}_"), *above, *within)


def _of_trait(path: Path, stats: TraitStats, naming: Naming, rewriting: Rewriting) -> TraitMapping:
    becomes: dict[Destination, None] = {}
    warnings: set[str] = set()
    for value in _values(stats):
        sent = rewriting.of(_identify({path: value}))
        if not isinstance(sent, Identify):
            continue
        mapped = map_record(sent, naming=naming)
        user = mapped.user
        for name, stated in (
            ("email", user.email),
            ("phone_number", user.phone),
            ("external_created_at", user.created_at),
        ):
            if stated is not None:
                becomes[Destination(name, "field")] = None
        for name in mapped.stored:
            becomes[Destination(name, _kind_of(name))] = None
        warnings.update(each.code for each in mapped.warnings)
    return TraitMapping(tuple(becomes), tuple(sorted(warnings)))


def _values(stats: TraitStats) -> Iterable[Any]:
    """Yield the samples of a trait."""
    for _, samples in sorted(stats.samples.items()):
        for each in samples:
            yield each.value


def _identify(values: Mapping[Path, Any]) -> Identify:
    """Return an identify with these traits alone."""
    return Identify(_USER_ID, None, None, None, {}, _nested(values), "traits", ())


def _nested(values: Mapping[Path, Any]) -> dict[str, Any]:
    """Return traits as an object, by the keys that lead to them."""
    traits: dict[str, Any] = {}
    for path, value in values.items():
        within = traits
        for key in path[:-1]:
            inner = within.setdefault(key, {})
            within = inner if isinstance(inner, dict) else {}
        within[path[-1]] = value
    return traits


def _kind_of(name: str) -> PropertyKind:
    return next((kind for ending, kind in _KINDS.items() if name.endswith(ending)), "text")


def _colliding(
    traits: Mapping[Path, TraitStats], found: Mapping[Path, TraitMapping], naming: Naming
) -> Iterable[Path]:
    """Yield the traits whose values are left out because another trait has the same name in Wootric."""
    by_name: dict[str, list[Path]] = {}
    for path, mapping in found.items():
        for each in mapping.becomes:
            if each.kind != "field":
                by_name.setdefault(each.name, []).append(path)
    for paths in by_name.values():
        if len(paths) > 1:
            yield from _losers(traits, paths, naming)


def _losers(
    traits: Mapping[Path, TraitStats], paths: Sequence[Path], naming: Naming
) -> Iterable[Path]:
    samples = {path: next(iter(_values(traits[path]))) for path in paths}
    places = {f"traits.{'.'.join(path)}": path for path in paths}
    for warning in map_record(_identify(samples), naming=naming).warnings:
        if warning.code == "key_collision" and warning.field in places:
            yield places[warning.field]
