"""What is written of the commonest end users: those whose last identify says all that is known of them.

Whatever follows from the shape of an identify's traits is worked out once, by the fold itself: which
properties there are, where they stand, and the warnings. Of each end user only the values are filled in. Any
doubt gives None, and then the fold decides: `QuickChanges.of` never says anything but what `fold` does.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from wootric_map.mapping.property_names import Naming
from wootric_map.mapping.settings import omitted
from wootric_map.plan.change_shapes import ChangeShape, QuickChange, change_shape, filled
from wootric_map.plan.shapes import ShapeTable, paths_of, shape_of
from wootric_map.values import dates
from wootric_map.values.contact import plain_email
from wootric_map.values.trait_names import spelled

_MOST_VARIANTS: Final = 32
"""Of one shape, about so many sets of texts that are dates are told apart."""

_MOST_ATTEMPTS: Final = 5
"""End users whose values decide about more than their shape tells, until a shape is given up."""


class QuickChanges:
    """Tells what is written of end users by the shapes of their traits."""

    def __init__(self, naming: Naming) -> None:
        """Know no shape yet; `naming` is how properties are named."""
        self._naming = naming
        self._shapes: Mapping[tuple[bool, str], ShapeTable[_Variants]] = {
            (has_user_id, parent): ShapeTable()
            for has_user_id in (False, True)
            for parent in ("traits", "context.traits")
        }

    def of(
        self,
        user_id: str | None,
        traits: Mapping[str, Any],
        *,
        detached: bool = False,
        parent: str = "traits",
    ) -> QuickChange | None:
        """Return what is written of an end user by one identify alone; None if only `fold` can tell.

        Args:
            user_id: the `userId` of the identify.
            traits: the traits of the identify.
            detached: whether the `userId` is several people's, so that it does not count.
            parent: where the traits stand: `traits` or `context.traits`.
        """
        own_id = user_id if has_user_id(user_id, detached=detached) else None
        found = shape_of(traits)
        if found is None:
            return None
        key, leaves = found
        table = self._shapes[own_id is not None, parent]
        variants = table.get(key)
        if variants is None:
            paths = paths_of(traits)
            if table.is_worth_keeping(key, paths):
                variants = _Variants(traits, paths, leaves, own_id is not None)
                table.keep(key, variants)
        if variants is None or variants.email < 0 or not plain_email(leaves[variants.email]):
            return None
        dated = variants.dated(leaves)
        shape = variants.by_dated.get(dated)
        if shape is None and variants.may_have_more:
            shape = change_shape(user_id, traits, parent, own_id, self._naming)
            variants.keep(dated, shape)
        return filled(shape, own_id, leaves) if shape else None


def has_user_id(user_id: str | None, *, detached: bool) -> bool:
    """Return whether the `userId` of an identify is its end user's (segment.md 4).

    Args:
        user_id: the `userId` of the identify.
        detached: whether the `userId` is several people's.
    """
    return bool(user_id) and not detached and not str(user_id).isspace()


class _Variants:
    """The shapes of traits that differ only in which texts are dates."""

    __slots__ = ("_left", "_texts", "by_dated", "email")

    def __init__(
        self,
        traits: Mapping[str, Any],
        paths: Sequence[tuple[str, ...]],
        leaves: Sequence[Any],
        has_user_id: bool,
    ) -> None:
        """Take the traits of one end user, the keys that lead to each of their values, and the values."""
        self.email = _email_place(traits)
        """The place of the email; -1 if none may be plain."""
        omit = omitted(has_user_id=has_user_id)
        self._texts = [
            place
            for place, path in enumerate(paths)
            if type(leaves[place]) is str and not (len(path) == 1 and omit(path[0]))
        ]
        """The places of the texts that may be dates."""
        self.by_dated: dict[tuple[int, ...], ChangeShape] = {}
        """The shapes, by the places of the texts that are dates."""
        self._left = _MOST_ATTEMPTS

    def dated(self, leaves: Sequence[Any]) -> tuple[int, ...]:
        """Return the places of the texts that are dates."""
        # Nearly all text has no hyphen where a date has one.
        perhaps = [place for place in self._texts if leaves[place][4:5] == "-"]
        if not perhaps:
            return ()
        return tuple([each for each in perhaps if dates.parse_iso_day(leaves[each]) is not None])

    @property
    def may_have_more(self) -> bool:
        """Whether it is worth the time to find out about a further shape."""
        return self._left > 0

    def keep(self, dated: tuple[int, ...], shape: ChangeShape | None) -> None:
        """Keep a shape; None if it could not be told by the traits of one end user."""
        if shape:
            self.by_dated[dated] = shape
        if not shape or len(self.by_dated) > _MOST_VARIANTS:
            self._left -= 1


def _email_place(traits: Mapping[str, Any]) -> int:
    """Return the place of the trait that is the email if it is a plain one; -1 if values decide that."""
    keys = spelled(traits).get("email", ())
    if "email" not in traits and len(keys) != 1:
        return -1
    key = "email" if "email" in traits else keys[0]
    return list(traits).index(key) if type(traits[key]) is str else -1
