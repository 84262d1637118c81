"""Who is who: ids that name one end user, tied together as the records are read."""

from typing import Final

_NO_TIME: Final = -(2**63)
"""Sorts before every time."""


class Identities:
    """A union-find over ids.

    An id is any text that names one end user, such as `user:42` or `email:ada@example.com`.
    """

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._parents: list[int] = []
        self._first_seen: list[int | None] = []

    def tie(self, ids: tuple[str, ...], time: int | None) -> int:
        """Say that these ids name one end user.

        Args:
            ids: at least one.
            time: when the record that says so happened.

        Returns:
            The number of the first id.
        """
        first = self._number(ids[0])
        for each in ids[1:]:
            self._union(first, self._number(each))
        seen = self._first_seen[first]
        time = _NO_TIME if time is None else time
        if seen is None or time < seen:
            self._first_seen[first] = time
        return first

    def people(self) -> list[int]:
        """Number the end users.

        Returns:
            For each id's number the number of its end user. End users are numbered in the order they
            were first met, whatever the order the records came in.
        """
        groups: dict[int, list[int]] = {}
        for number in range(len(self._parents)):
            groups.setdefault(self._root(number), []).append(number)
        names = list(self._numbers)

        def met(group: list[int]) -> tuple[int, str]:
            times = (time for each in group if (time := self._first_seen[each]) is not None)
            return min(times, default=_NO_TIME), min(names[each] for each in group)

        people = [0] * len(self._parents)
        for person, group in enumerate(sorted(groups.values(), key=met)):
            for number in group:
                people[number] = person
        return people

    def _number(self, name: str) -> int:
        number = self._numbers.setdefault(name, len(self._parents))
        if number == len(self._parents):
            self._parents.append(number)
            self._first_seen.append(None)
        return number

    def _root(self, number: int) -> int:
        while self._parents[number] != number:
            # Halving the path as it is walked keeps it short.
            self._parents[number] = self._parents[self._parents[number]]
            number = self._parents[number]
        return number

    def _union(self, one: int, other: int) -> None:
        self._parents[self._root(other)] = self._root(one)
