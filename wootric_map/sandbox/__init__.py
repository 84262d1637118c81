"""A stand-in Wootric on loopback, to rehearse against (wootric.md; the optional extra `sandbox`).

The sandbox keeps end users, eligibility checks, page views, responses and declines in memory, answers as
wootric.md says that Wootric does, and shows what it received. It imports nothing else of `wootric_map`, so
that it judges a client by the specification alone.
"""

from wootric_map.sandbox.app import create_app
from wootric_map.sandbox.end_user_index import EndUser
from wootric_map.sandbox.events import EligibilityCheck, PageView
from wootric_map.sandbox.faults import Fault, FaultRule, ResetConnection, TruncatedReply
from wootric_map.sandbox.server import RunningSandbox, run_sandbox
from wootric_map.sandbox.settings import SandboxSettings
from wootric_map.sandbox.state import RequestCounts, SandboxState
from wootric_map.sandbox.surveys import Decline, SurveyResponse
from wootric_map.sandbox.wire import SandboxRequest

__all__ = [
    "Decline",
    "EligibilityCheck",
    "EndUser",
    "Fault",
    "FaultRule",
    "PageView",
    "RequestCounts",
    "ResetConnection",
    "RunningSandbox",
    "SandboxRequest",
    "SandboxSettings",
    "SandboxState",
    "SurveyResponse",
    "TruncatedReply",
    "create_app",
    "run_sandbox",
]
