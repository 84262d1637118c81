"""What a push came to, as metrics that Prometheus's node exporter reads from a file (the extra `metrics`)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.parser import text_string_to_metric_families

_PREFIX: Final = "wootric_replay"
_FINISHED: Final = f"{_PREFIX}_last_finished_timestamp_seconds"
_FINISHED_CODES: Final = frozenset({0, 1})
"""The exit codes of a push that came to its end, whatever failed in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PushMetrics:
    """The figures of one push."""

    account: str
    """The account, as `status` names it."""
    ended: float
    """Unix time."""
    seconds: float
    """How long the push took."""
    exit_code: int
    records: Mapping[str, int]
    """The number of records by what became of them."""
    actions: Mapping[str, int]
    """The number of end users, and of calls about records, by what was done."""
    calls: int
    """The number of calls, with look-ups and failed tries."""
    in_doubt: int | None
    """The number of deliveries of all runs that were sent and not answered; None if it is not known."""

    @property
    def is_finished(self) -> bool:
        """Whether the push came to its end, whatever failed in it."""
        return self.exit_code in _FINISHED_CODES


def exposition(metrics: PushMetrics, earlier: bytes = b"") -> bytes:
    """Return metrics in Prometheus's text format.

    Args:
        metrics: what a push came to.
        earlier: what stood in the file before, which tells when a push last came to its end, if this one did
            not.
    """
    registry = CollectorRegistry()
    finished = metrics.ended if metrics.is_finished else last_finished(earlier, metrics.account)
    for name, value, what in (
        ("last_run_timestamp_seconds", metrics.ended, "When the last push ended."),
        ("last_run_duration_seconds", metrics.seconds, "How long the last push took."),
        ("last_run_exit_code", metrics.exit_code, "The exit code of the last push."),
        (
            "last_finished_timestamp_seconds",
            finished,
            "When the last push ended that came to its end.",
        ),
        (
            "last_run_calls",
            metrics.calls,
            "Calls of the last push, with look-ups and failed tries.",
        ),
        ("in_doubt", metrics.in_doubt, "Deliveries of all runs that were sent and not answered."),
    ):
        if value is not None:
            _gauge(registry, name, what, metrics.account, {"": value})
    records, done = "Records of the last push, by what became of them.", "What the last push did."
    _gauge(registry, "last_run_records", records, metrics.account, metrics.records, by="result")
    _gauge(registry, "last_run_actions", done, metrics.account, metrics.actions, by="action")
    return generate_latest(registry)


def _gauge(
    registry: CollectorRegistry,
    name: str,
    what: str,
    account: str,
    values: Mapping[str, float],
    *,
    by: str | None = None,
) -> None:
    """Add a gauge; `by` is the label that the keys of `values` stand for, if they stand for one."""
    labels = ("account", by) if by else ("account",)
    gauge = Gauge(f"{_PREFIX}_{name}", what, labels, registry=registry)
    for key, value in values.items():
        gauge.labels(*((account, key) if by else (account,))).set(value)


def last_finished(earlier: bytes, account: str) -> float | None:
    """Return when the last push of an account ended that came to its end; None if that is not told.

    Args:
        earlier: metrics in Prometheus's text format; anything else tells nothing.
        account: the account, as `status` names it.
    """
    try:
        for family in text_string_to_metric_families(earlier.decode()):
            for sample in family.samples:
                if sample.name == _FINISHED and sample.labels.get("account") == account:
                    return float(sample.value)
    except (ValueError, KeyError, IndexError, TypeError):
        return None
    return None
