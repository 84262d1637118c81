"""JUnit's XML, as Jenkins, GitLab and others read it: each code is a test, and each threshold.

A test fails if it makes the run fail; what is found and allowed stands in its output.
"""

from collections.abc import Iterator, Sequence
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from wootric_map import codes
from wootric_map.checks.finding import Finding
from wootric_map.checks.run_report import RunReport

_SUITE: Final = "wootric-replay"


class JUnit:
    """Writes a test for each code that the command looks for, and for each threshold that was exceeded."""

    def pieces(self, report: RunReport) -> Iterator[str]:
        """Yield the XML of a report."""
        by_code: dict[str, list[Finding]] = {
            code: [] for kind in _looked_for(report) for code in codes.names(kind)
        }
        for finding in report.findings:
            by_code.setdefault(finding.code, []).append(finding)
        cases = [_Case(report, code, found) for code, found in by_code.items()]
        of_run = [_test("thresholds", name, message) for name, message in _of_run(report)]
        tests = len(cases) + len(of_run)
        failures = len(of_run) + sum(each.fails for each in cases)
        counts = f'tests="{tests}" failures="{failures}" errors="0" skipped="0"'
        yield '<?xml version="1.0" encoding="UTF-8"?>\n'
        yield f"<testsuites name={quoteattr(_SUITE)} {counts}>\n"
        yield f"<testsuite name={quoteattr(f'{_SUITE} {report.command}')} {counts}>\n"
        yield "<properties>\n"
        for name, value in _properties(report):
            yield f"<property name={quoteattr(name)} value={quoteattr(str(value))}/>\n"
        yield "</properties>\n"
        for case in cases:
            yield from case.pieces()
        yield from of_run
        yield "</testsuite>\n</testsuites>\n"


FORMAT: Final = JUnit()


class _Case:
    """The test of one code."""

    def __init__(self, report: RunReport, code: str, found: Sequence[Finding]) -> None:
        self._code = code
        self._found = found
        self._left_off = report.left_off.get(code, 0)
        is_error = any(each.severity == "error" for each in found)
        self.fails = is_error and report.exit_code not in {0, 3}
        """Whether what was found makes the run fail."""

    def pieces(self) -> Iterator[str]:
        """Yield the XML of the test."""
        name = f"classname={quoteattr(self._class())} name={quoteattr(self._code)}"
        if not self._found:
            yield f"<testcase {name}/>\n"
            return
        first = self._found[0]
        place = f"file={quoteattr(first.source)} line={quoteattr(str(first.line))}"
        yield f"<testcase {name} {place}>\n"
        count = len(self._found) + self._left_off
        message = f"{codes.title(self._code)} {count:,} found; {codes.page(self._code)}"
        if self.fails:
            yield f"<failure type={quoteattr(self._code)} message={quoteattr(message)}>"
        else:
            yield f"<system-out>{escape(message)}\n"
        for each in self._found:
            yield escape(_line(each))
        if self._left_off:
            yield f"… and {self._left_off:,} more\n"
        yield "</failure>\n" if self.fails else "</system-out>\n"
        yield "</testcase>\n"

    def _class(self) -> str:
        kind = codes.CODES[self._code].kinds[0] if self._code in codes.CODES else "warning"
        return f"{_SUITE}.{kind}"


def _looked_for(report: RunReport) -> tuple[codes.Kind, ...]:
    """Return the kinds of codes for which there is a test even if nothing was found."""
    return ("rejected", "failed") if report.command == "push" else ("rejected",)


def _of_run(report: RunReport) -> Iterator[tuple[str, str]]:
    """Yield the name and the message of each failure that is about no record."""
    for each in report.verdict.exceeded:
        yield each.threshold, each.message
    if report.error and not report.verdict.exceeded:
        yield "the run", report.error


def _properties(report: RunReport) -> Iterator[tuple[str, object]]:
    yield "records", report.records
    yield "exit_code", report.exit_code
    yield "known", report.verdict.known
    for code, count in report.skipped.items():
        yield f"skipped.{code}", count


def _test(group: str, name: str, message: str) -> str:
    return (
        f"<testcase classname={quoteattr(f'{_SUITE}.{group}')} name={quoteattr(name)}>\n"
        f"<failure type={quoteattr(group)} message={quoteattr(message)}/>\n</testcase>\n"
    )


def _line(finding: Finding) -> str:
    at = f" {finding.field}:" if finding.field else ""
    times = f" ({finding.count:,} times)" if finding.count > 1 else ""
    return f"{finding.source}:{finding.line}{at} {finding.message}{times}\n"
