"""Fuzz what reads files and replies that others have made, guided by coverage.

    python -m tests.fuzz lines --seconds 3600

runs one target for an hour: `lines`, `packed`, `plans`, `snapshots`, `journals`, `replies` or `listings`,
each a module here. It ends with an error at the first input that breaks a rule, and writes that input to the
folder of the inputs, whose name it prints at the start; `--corpus FOLDER` names one of your own, which keeps
what was learned for the next time. To see the fault again:

    python -m tests.fuzz lines FOLDER/crash-…

An input that takes more than 20 seconds, or 1.5 GB, is a fault too. It needs atheris, which the extra `dev`
installs where there is a build of it.
"""

import argparse
import importlib
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

TARGETS: Final = ("lines", "packed", "plans", "snapshots", "journals", "replies", "listings")
_LONGEST: Final = 16_384
"""Bytes of an input."""


def main() -> None:
    """Run what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("inputs", nargs="*", type=Path, help="try these alone, and fuzz nothing")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--corpus", type=Path, help="where inputs are kept")
    chosen = parser.parse_args()
    if chosen.inputs:
        target = importlib.import_module(f"tests.fuzz.{chosen.target}")
        for each in chosen.inputs:
            target.check(each.read_bytes())
        return
    atheris: Any = importlib.import_module("atheris")  # it is not installed everywhere

    with atheris.instrument_imports(include=["wootric_map"]):
        target = importlib.import_module(f"tests.fuzz.{chosen.target}")
    corpus = chosen.corpus or Path(tempfile.mkdtemp(prefix=f"fuzz-{chosen.target}-"))
    corpus.mkdir(parents=True, exist_ok=True)
    _fuzz(atheris, target, corpus, chosen.seconds)


def _fuzz(atheris: Any, target: Any, corpus: Path, seconds: int) -> None:
    seeds = list(target.seeds())
    for number, seed in enumerate(seeds):
        (corpus / f"seed-{number}").write_bytes(seed)
    print(f"{target.__name__}: {len(seeds)} seeds, inputs in {corpus}", file=sys.stderr)  # noqa: T201
    options = (
        f"-max_total_time={seconds}",
        f"-artifact_prefix={corpus}/",
        f"-max_len={_LONGEST}",
        "-timeout=20",
        "-rss_limit_mb=1500",
        "-print_final_stats=1",
    )
    atheris.Setup([sys.argv[0], str(corpus), *options], target.check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
