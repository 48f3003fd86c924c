"""Intake's application as its own tests have it."""

from tests.integration.intake.conftest import intake

__all__ = ["intake"]
