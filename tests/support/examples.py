"""How many examples a property is tried with: few in the gate, ten times as many if that is asked for.

`HYPOTHESIS_PROFILE=thorough` asks for them.
"""

import os
from typing import Final

from hypothesis import HealthCheck, settings

_TIMES: Final = {"quick": 1, "thorough": 10}

# A busy machine is slow, not wrong. The gate draws the same examples every time, so that what lands
# does not depend on luck; everybody else draws new ones.
for _name, _times in _TIMES.items():
    settings.register_profile(
        _name,
        max_examples=100 * _times,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        derandomize=bool(os.environ.get("CI")) and _name == "quick",
    )

PROFILE: Final = os.environ.get("HYPOTHESIS_PROFILE", "quick")


def examples(number: int) -> settings:
    """Try a property that is dear with so many examples in the gate."""
    return settings(max_examples=number * _TIMES[PROFILE])
