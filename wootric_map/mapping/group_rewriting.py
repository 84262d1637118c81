"""The traits of groups as the user's rules want them, under the names of their members' properties."""

from dataclasses import replace

from wootric_map.mapping.rules import MappingRules, TraitRules
from wootric_map.mapping.settings import GROUP_TRAITS, shown_group_place
from wootric_map.mapping.trait_rewriting import TraitRewriting
from wootric_map.read.record import Group


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
        warnings = record.warnings
        traits = record.traits
        own = self._own.rewritten(traits, GROUP_TRAITS)
        if own:
            traits, warnings = own.fields, (*warnings, *own.warnings)
        traits = {f"{self._prefix}_{key}": value for key, value in traits.items()}
        prefixed = self._prefixed.rewritten(traits, GROUP_TRAITS)
        if prefixed:
            placed = (
                each._replace(field=shown_group_place(each.field, self._prefix))
                for each in prefixed.warnings
            )
            traits, warnings = prefixed.fields, (*warnings, *placed)
        return record._replace(traits=traits, warnings=warnings, prefix=self._prefix)
