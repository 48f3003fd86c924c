"""A process: its settings, connections, HTTP face, logs and jobs, opened in one order and closed in the other."""

from services.kit.process.children import start_child, stop_child
from services.kit.process.guard import GuardedHandler, OpenRoute, Route
from services.kit.process.http import figures_app, json_response, read_body, read_form, read_json, serve_http, web_app
from services.kit.process.listening import Limits
from services.kit.process.log import AUDIT, configure_logs
from services.kit.process.openapi import answer, described, faults, ref, with_helpdesk
from services.kit.process.problems import Problem
from services.kit.process.run import Job, stop_on_signals
from services.kit.process.service import Service, main, open_service
from services.kit.process.systemd import tell_systemd

__all__ = [
    "AUDIT",
    "GuardedHandler",
    "Job",
    "Limits",
    "OpenRoute",
    "Problem",
    "Route",
    "Service",
    "answer",
    "configure_logs",
    "described",
    "faults",
    "figures_app",
    "json_response",
    "main",
    "open_service",
    "read_body",
    "read_form",
    "read_json",
    "ref",
    "serve_http",
    "start_child",
    "stop_child",
    "stop_on_signals",
    "tell_systemd",
    "web_app",
    "with_helpdesk",
]
