"""Looking an end user up over HTTP (wootric.md 3)."""

from collections.abc import Mapping
from functools import partial
from typing import Final
from urllib.parse import quote

from requests import codes

from wootric_map.errors import CallFailedError
from wootric_map.model import EndUser, EndUserUpsert, LookUpKey
from wootric_map.wootric.caller import Caller
from wootric_map.wootric.regions import Services
from wootric_map.wootric.replies import contradicts, not_asked_for
from wootric_map.wootric.reply_meaning import ApiCall
from wootric_map.wootric.requests import HttpCall

_LOOK_UPS: Final[Mapping[LookUpKey, tuple[str, str]]] = {
    "id": ("end_users/{}", ""),
    "external_id": ("end_users/{}", "?lookup_by_external_id=true"),
    "email": ("end_users/{}", "?lookup_by_email=true"),
    "phone_number": ("end_users/phone_number/{}", ""),
}
"""The path and the query of a look-up, by the kind of its key."""


def find_end_user(caller: Caller, services: Services, wanted: EndUserUpsert) -> EndUser | None:
    """Look an end user up, as `Wootric.find` says."""
    for by, key in wanted.look_up_keys():
        # A path of dots alone would mean the folder above, however it is encoded.
        if key.strip("."):
            endpoint, query = _LOOK_UPS[by]
            path = endpoint.format(quote(key, safe="")) + query
            call = ApiCall(endpoint, HttpCall("GET", f"{services.rest}/{path}"))
            try:
                found = caller.end_user(call, partial(not_asked_for, by, key, wanted))
            except CallFailedError as error:
                if error.status != codes.not_found:
                    raise
                continue
            if not (by == "phone_number" and contradicts(wanted, found)):
                return found
    return None
