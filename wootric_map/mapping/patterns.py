"""Patterns for names, in which `*` stands for any text."""


def matches(name: str, pattern: str) -> bool:
    """Tell whether a name matches a pattern, in which `*` stands for any text.

    Without a regular expression, which a hostile name could keep busy for hours.
    """
    first, *rest = pattern.split("*")
    if not rest:
        return name == pattern
    *middle, last = rest
    if not (name.startswith(first) and name.endswith(last, len(first))):
        return False
    at, end = len(first), len(name) - len(last)
    for part in middle:
        at = name.find(part, at, end)
        if at < 0:
            return False
        at += len(part)
    return at <= end
