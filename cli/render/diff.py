"""The diff of a dry run: what would change, field by field, and where each value came from."""

from collections.abc import Iterator

from cli.render.text import printable, shown, styled
from wootric_map.mapping import Origin
from wootric_map.plan import Folded


def end_user_fields(folded: Folded) -> Iterator[tuple[str, object, Origin | None]]:
    """The fields of an end user with their values and origins, in the order they are sent."""
    upsert = folded.upsert
    for name in ("email", "external_id", "phone_number", "external_created_at"):
        value = getattr(upsert, name)
        if value is not None:
            yield name, value, folded.origins.get(name)
    for name, value in upsert.properties.items():
        key = f"properties.{name}"
        yield key, value, folded.origins.get(key)


def end_user_text(folded: Folded) -> Iterator[str]:
    """The lines of one end user's change."""
    fields = list(end_user_fields(folded))
    upsert = folded.upsert
    names = [printable(str(each)) for each in (upsert.email, upsert.external_id) if each]
    title = names[0] if names else printable(upsert.phone_number or f"id {upsert.wootric_id}")
    more = f" ({names[1]})" if names[1:] else ""
    yield styled(f"+ {title}{more}", fg="green", bold=True)
    wide = max((len(printable(name, 40)) for name, _, _ in fields), default=0)
    for name, value, origin in fields:
        text = f"    {styled('+', fg='green')} {printable(name, 40):{wide}}  {shown(value)}"
        yield text + (styled(f"  ← {_origin(origin, value)}", dim=True) if origin else "")


def end_user_data(folded: Folded) -> dict[str, object]:
    """One end user's change, for programs."""
    upsert = folded.upsert
    return {
        "action": "create",
        "end_user": {
            name: value
            for name in ("email", "external_id", "phone_number", "wootric_id")
            if (value := getattr(upsert, name)) is not None
        },
        "fields": [
            {"field": name, "after": value} | (_origin_data(origin) if origin else {})
            for name, value, origin in end_user_fields(folded)
        ],
    }


def _origin(origin: Origin, value: object) -> str:
    source = printable(origin.source)
    same = origin.original == value and type(origin.original) is type(value)
    return source if same else f"{source} {shown(origin.original)}"


def _origin_data(origin: Origin) -> dict[str, object]:
    return {"source": origin.source, "original": origin.original}
