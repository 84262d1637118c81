"""The traits of groups as the user's rules want them, under the names of their members' properties."""

from dataclasses import replace

from wootric_map.mapping.rules import MappingRules, TraitRules
from wootric_map.mapping.settings import GROUP_TRAITS, shown_group_place
from wootric_map.mapping.trait_rewriting import Rewritten, TraitRewriting
from wootric_map.read.record import Fields, Group


class GroupRewriting:
    """Applies the user's rules to group records, each by itself.

    Rules that leave traits out hold for the trait as the group has it (`plan`), and all rules hold for the
    property that it becomes (`company_plan`). Nothing is added: constants are no group's.
    """

    def __init__(self, rules: MappingRules) -> None:
        """Prepare the rules, which have been checked."""
        traits = rules.traits
        self._prefix = rules.group_prefix or ""
        own = TraitRules(exclude=traits.exclude, include=traits.include)
        self._own = TraitRewriting(own)
        named = (f"{self._prefix}_{each}" for each in traits.include)
        include = (*traits.include, *named)
        self._prefixed = TraitRewriting(replace(traits, include=include, constants={}))

    @property
    def met(self) -> set[str]:
        """The patterns and names in the rules for traits that some trait had, up to now."""
        return self._own.met | self._prefixed.met

    def rewritten(self, record: Group) -> Group:
        """Return a group record with its traits under the names of properties, as far as they are sent."""
        warnings, own = record.warnings, record.traits
        left = self._own.rewritten(own, GROUP_TRAITS)
        if left:
            own, warnings = left.fields, (*warnings, *left.warnings)
        named = self._named(own)
        warnings = (*warnings, *named.warnings)
        return record._replace(traits=named.fields, own=own, warnings=warnings, prefix=self._prefix)

    def of_group(self, traits: Fields) -> Fields:
        """Return traits that a journal or a plan has of a group as `rewritten` returns those of a record.

        The rules may have been others when they were read.

        Args:
            traits: the traits, as `Group.own` has them.
        """
        left = self._own.rewritten(traits, GROUP_TRAITS)
        return self._named(left.fields if left else traits).fields

    def _named(self, own: Fields) -> Rewritten:
        """Return traits under the names of properties, as the rules for these want them."""
        traits = {f"{self._prefix}_{key}": value for key, value in own.items()}
        prefixed = self._prefixed.rewritten(traits, GROUP_TRAITS)
        if prefixed is None:
            return Rewritten(traits, ())
        placed = (
            each._replace(field=shown_group_place(each.field, self._prefix))
            for each in prefixed.warnings
        )
        return Rewritten(prefixed.fields, tuple(placed))
