"""E-mail over a provider's HTTP interface, in the shape of Postmark's: JSON in, the provider's message id out.

It takes the same mail twice, and can be asked for the one that has our name for the attempt (its metadata): class B.
"""

from collections.abc import Mapping
from datetime import timedelta
from functools import cache

from services.core.channel import Channel
from services.core.clock import Clock
from services.core.mailbox import mailbox
from services.dispatch.blame import Blame, blame_of_mail_api
from services.dispatch.channels.asking import ACCEPTED, AskedProvider, attempt_name
from services.dispatch.channels.calls import Answer, Calls
from services.dispatch.channels.credentials import SecretText
from services.dispatch.channels.domains import domain_of
from services.dispatch.domain import MESSAGES_A_BATCH, Work
from services.dispatch.mail_config import EmailConfig
from services.dispatch.outcomes import REFUSED_BY_PROVIDER, Ending, Outage, Result
from services.dispatch.provider import Provider, ProviderClass, Traits
from services.rendering.messages.email import Answers
from services.rendering.messages.mail_fields import ATTEMPT, MailFields

__all__ = ["MAIL_API", "MailApi", "open_mail_api"]

MAIL_API = Traits(
    channel=Channel.EMAIL,
    name="mail-api",
    provider_class=ProviderClass.ASKED,
    rounds_at_once=2,  # one on the wire, one on its way from or to the database
    batch_size=MESSAGES_A_BATCH,
    domain=domain_of,
)

# Enough to hide a latency of 100 ms at some hundreds a second.
_AT_ONCE = 32
# A mail is small: a provider that has not answered by then is hanging.
_SECONDS = 30.0
# A mail that it took is found within seconds, by what such providers say; a minute more than the longest call.
_FOUND_WITHIN = 90.0

# So long such providers keep what they took, a day less.
_REMEMBERS = timedelta(days=44)

_TOO_MANY = 429
_NO_RECIPIENT = Result(Ending.REFUSED, "no-recipient")
_REFUSED = Result(Ending.REFUSED, REFUSED_BY_PROVIDER, Blame.RECIPIENT)
_NOT_SENT = Result(Ending.NOT_SENT)


def open_mail_api(
    config: EmailConfig, clock: Clock, answers: Answers, *, found_within: float = _FOUND_WITHIN
) -> Provider:
    """Return the provider that the settings name; it tells of a mail within so many seconds, or never got it."""
    token = SecretText(config.mail_api_token or "", config.secret_files.get("HERAUT_MAIL_API_TOKEN"))
    calls = Calls(config.mail_api_url or "", tls=None, seconds=_SECONDS, at_once=_AT_ONCE)
    service = MailApi(calls, token, MailFields(answers, config.mail_api_stream))
    return AskedProvider(MAIL_API, service, clock, at_once=_AT_ONCE, arrives_within=found_within, remembers=_REMEMBERS)


class MailApi:
    """What is said to the provider, and what its answers mean."""

    def __init__(self, calls: Calls, token: SecretText, fields: MailFields) -> None:
        self._calls, self._token, self._fields = calls, token, fields

    async def message(self, work: Work, row: int) -> bytes | Result:
        """Return a mail as JSON."""
        if mailbox(work.contacts[row].email) is None:
            return _NO_RECIPIENT
        return self._fields.mail(work, row, attempt_name(*work.round.key(row)))

    async def send(self, message: bytes) -> tuple[Result | None, Outage | None]:
        """Send a mail. Raises UnreachedError, LostError."""
        answer = await self._calls.post("/email", message, self._headers())
        code = answer.fields.get("ErrorCode")
        if answer.status == 200 and code == 0 and answer.fields.get("MessageID"):
            return ACCEPTED, None
        if answer.status >= 500 or answer.status < 400:
            return None, Outage(answer.after)
        return _judged(answer.status, code if isinstance(code, int) else 0, answer.after)

    async def has(self, name: str) -> bool | None:
        """Tell whether a mail of this attempt was taken. Raises UnreachedError, LostError."""
        query = {"count": "10", "offset": "0", f"metadata_{ATTEMPT}": name}
        answer = await self._calls.get("/messages/outbound", query, self._headers())
        return _knows(answer, name)

    async def close(self) -> None:
        """Close the connections."""
        await self._calls.close()

    def _headers(self) -> Mapping[str, str]:
        return {"X-Postmark-Server-Token": self._token.text}


def _judged(status: int, code: int, after: float | None) -> tuple[Result, Outage | None]:
    blame = blame_of_mail_api(status, code)
    if blame is Blame.LATER:
        return _NOT_SENT, Outage(after, too_many=status == _TOO_MANY)
    return (_REFUSED if blame is Blame.RECIPIENT else _held(status, code, blame)), None


@cache  # a handful; rows that share a result are recorded together
def _held(status: int, code: int, blame: Blame) -> Result:
    return Result(Ending.HELD, f"http-{status} {code or ''}".rstrip(), blame)


def _knows(answer: Answer, name: str) -> bool | None:
    """Read a list of mails; only one that has our name counts, whatever else the search found."""
    found = answer.fields.get("Messages")
    if answer.status != 200 or not isinstance(found, list):
        return None
    about = (one.get("Metadata") for one in found if isinstance(one, dict))
    return any(isinstance(one, dict) and one.get(ATTEMPT) == name for one in about)
