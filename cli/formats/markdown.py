"""A report in Markdown, as for the summary of a job or a comment on a pull request."""

import re
from collections.abc import Iterator
from typing import Final

from cli.render.text import plural
from wootric_map import codes
from wootric_map.checks.finding import Finding
from wootric_map.checks.run_report import RunReport

_PLACES: Final = 5
"""How many findings of each code are shown."""

_MARKUP: Final = re.compile(r"[^\w\s.,;'\"/=+?%$…“”:-]|:(?! )")
"""Everything that might be markup. As a reference by number it stands for itself, and for nothing else."""

_AT_AN_EDGE: Final = re.compile(r"(?<![^\W_])_|_(?![^\W_])")
"""An underscore that may begin or end emphasis: within a word it is none."""

_MENTION: Final = re.compile(r"&#(?:64|35);")
"""What GitHub makes links to people and issues of: `@` and `#`."""


class Markdown:
    """Writes a table of codes, and the first few findings of each."""

    def pieces(self, report: RunReport) -> Iterator[str]:
        """Yield the text of a report."""
        verdict = report.verdict
        passed = "passed" if report.exit_code in {0, 3} else "failed"
        yield f"## wootric-replay {report.command}: {passed}\n\n"
        yield f"{plural(report.records, 'record')}, {verdict.counts.rejected:,} rejected, "
        yield f"{verdict.failed:,} failed, {plural(verdict.counts.warnings, 'warning')}\n"
        yield from _of_run(report)
        by_code: dict[str, list[Finding]] = {}
        for finding in report.findings:
            by_code.setdefault(finding.code, []).append(finding)
        if by_code:
            yield "\n| code | | found | what |\n| --- | --- | ---: | --- |\n"
        for code, found in by_code.items():
            count = len(found) + report.left_off.get(code, 0)
            what, kind = codes.title(code), found[0].severity
            yield f"| [`{code}`]({codes.page(code)}) | {kind} | {count:,} | {escaped(what)} |\n"
        for code, found in by_code.items():
            yield f"\n### {escaped(code)}\n\n"
            for finding in found[:_PLACES]:
                yield _item(finding)
            left = len(found) - _PLACES + report.left_off.get(code, 0)
            if left > 0:
                yield f"- … and {left:,} more\n"
        if report.skipped:
            told = ", ".join(f"{code} {count:,}" for code, count in report.skipped.items())
            yield f"\nSkipped: {escaped(told)}\n"


FORMAT: Final = Markdown()


def _of_run(report: RunReport) -> Iterator[str]:
    """Yield a list of what is told of the run as a whole, if there is anything."""
    verdict = report.verdict
    items = [
        f"- **{escaped(each.threshold)}**: {escaped(each.message)}\n" for each in verdict.exceeded
    ]
    if report.error and not verdict.exceeded:
        items.append(f"- **Ended early**: {escaped(report.error)}\n")
    if verdict.known:
        items.append(f"- Known by the baseline: {verdict.known:,}\n")
    if verdict.gone:
        items.append(f"- Gone from the baseline: {sum(verdict.gone.values()):,}\n")
    if items:
        yield "\n"
    yield from items


def escaped(text: str) -> str:
    """Return a text in which no character is markup, of Markdown, of HTML or of a table."""
    plain = _MARKUP.sub(lambda found: f"&#{ord(found[0])};", text)
    plain = _AT_AN_EDGE.sub("&#95;", plain)
    # An invisible character keeps a name behind it from being one.
    return _MENTION.sub(lambda found: f"{found[0]}&#8203;", plain)


def _item(finding: Finding) -> str:
    at = f" {escaped(finding.field)}:" if finding.field else ""
    times = f" ({finding.count:,} times)" if finding.count > 1 else ""
    place = f"{escaped(finding.source)}&#58;{finding.line}"
    return f"- {place}{at} {escaped(finding.message)}{times}\n"
