"""Whom a record of the commonest form names; `mapping.identity.user_of` tells it of every record."""

from wootric_map.mapping.identity import User
from wootric_map.read.record import Fields
from wootric_map.values import dates
from wootric_map.values.contact import plain_email
from wootric_map.values.trait_names import spelled


def names_user_id_alone(user_id: str, context: Fields, properties: Fields) -> bool:
    """Whether a track or page record of these says nothing of its user but the userId; doubt is a no."""
    return not (
        "traits" in context
        or "externalId" in context
        or "@" in user_id
        or user_id.isspace()
        or "language" in properties
        or "email" in spelled(properties)
    )


def named_by_email(user_id: str, context: Fields, traits: Fields) -> User | None:
    """Whom an identify names by a userId and the trait `email`, and gives no warning: as most do.

    Any doubt gives None: then `user_of` tells, of which this is a part.
    """
    email, keys, created_at = traits.get("email"), spelled(traits), None
    if (
        not (isinstance(email, str) and plain_email(email))
        or user_id.isspace()
        or "phone" in keys
        or "externalId" in context
    ):
        return None
    if "created" in keys or "createdat" in keys:
        spellings = keys.get("created") or keys["createdat"]
        moment = dates.parse(traits[spellings[0]]) if len(spellings) == 1 else None
        if moment is None:
            return None
        created_at = dates.unix_seconds(moment)
        if not dates.FIRST_DAY_ENDS < created_at < dates.FIRST_OF_2100:
            return None
    language = traits.get("language")
    if not (isinstance(language, str) and language):
        language = None
    return User(user_id, email, None, None, created_at, language)
