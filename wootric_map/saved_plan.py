"""The saved plan that a push sends in place of an export: where it is read, and how it is opened."""

import tempfile
from pathlib import Path

from wootric_map import run_files
from wootric_map.errors import PlanFileError, UnfitSettingsError
from wootric_map.plan.plan_file import PlanFile
from wootric_map.plan.plan_rejects import holds_plan_lines, plan_of_rejects
from wootric_map.read.suppression import Suppression


def uses_of_plan(path: Path | None) -> list[run_files.Use]:
    """Return the use of the plan, if there is one; the rejects of a plan may be replaced by new ones."""
    is_rejects = path is not None and holds_plan_lines(path)
    return run_files.read("--plan", path, gives_way_to="--rejects" if is_rejects else None)


def open_plan(path: Path, suppression: Suppression) -> PlanFile:
    """Return a saved plan.

    Args:
        path: the plan, or the rejects of one.
        suppression: the people of whom nothing is sent, whatever the plan says.

    Raises:
        UnfitSettingsError: there is no such file, or it is no plan.
    """
    try:
        if holds_plan_lines(path):
            # The plan is read from an open file without a name, of which nothing is left.
            with tempfile.TemporaryDirectory(prefix="wootric-replay-") as folder:
                made = Path(folder, path.name)
                origins = plan_of_rejects(path, made)
                return PlanFile(made, rejects=path, origins=origins, suppression=suppression)
        return PlanFile(path, suppression=suppression)
    except PlanFileError as error:
        raise UnfitSettingsError(f"--plan: {error}") from error
    except OSError as error:
        raise UnfitSettingsError(f"--plan {path}: {error.strerror or error}") from error
