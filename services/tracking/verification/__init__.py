"""Readers have a reference checked: whether it is of a notice of ours, and nothing else. Nobody says who asks."""

from services.tracking.verification.answering import Verifications
from services.tracking.verification.api import VerificationApi

__all__ = ["VerificationApi", "Verifications"]
