"""GOV.UK Notify and NotifyNL, which have the same interface: e-mail by a template of ours there, letters as whole PDFs.

They take the same twice: `reference` need not be unique, but can be asked for (class B). What they took is forgotten
there after seven days. So at least is the rule of GOV.UK; who keeps less cannot be asked.
"""

import asyncio
import base64
import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import Any

import jwt
import orjson
import typst

from services.core.channel import Channel
from services.core.clock import Clock
from services.core.mailbox import mailbox
from services.core.status import unprintable
from services.dispatch.blame import Blame, blame_of_notify
from services.dispatch.channels.asking import ACCEPTED, AskedProvider, attempt_name
from services.dispatch.channels.calls import Answer, Calls, LostError, UnreachedError
from services.dispatch.channels.credentials import SecretText
from services.dispatch.channels.domains import domain_of
from services.dispatch.config import NOTIFY, LetterConfig, NotifyConfig
from services.dispatch.domain import MESSAGES_A_BATCH, Work
from services.dispatch.outcomes import REFUSED_BY_PROVIDER, Ending, Outage, Result
from services.dispatch.provider import Provider, ProviderClass, Traits
from services.rendering.letters.envelope import envelope
from services.rendering.letters.fitting import address_box, fit_envelope
from services.rendering.letters.pdf import Typesetter
from services.rendering.letters.print_job import print_job
from services.rendering.letters.profile import Profile
from services.rendering.letters.profile_file import USUAL_PROFILE, named_profile
from services.rendering.letters.unprintable import is_salutation_printable, unprintable_in
from services.rendering.messages.plain_text import PlainTexts, one_line
from services.rendering.told import UnfitError
from services.rendering.wording.addressees import addressees_of
from services.rendering.wording.wording import Wordings, phrases

__all__ = ["NOTIFY_EMAIL", "NOTIFY_LETTER", "Notify", "open_failures", "open_notify_emails", "open_notify_letters"]

logger = logging.getLogger(__name__)

NOTIFY_EMAIL = Traits(
    channel=Channel.EMAIL,
    name=NOTIFY,
    provider_class=ProviderClass.ASKED,
    rounds_at_once=2,  # one on the wire, one on its way from or to the database
    batch_size=MESSAGES_A_BATCH,
    domain=domain_of,
)
NOTIFY_LETTER = replace(NOTIFY_EMAIL, channel=Channel.LETTER, domain=None, turns=f"{NOTIFY}-letter")

# Of GOV.UK's 3,000 requests a minute, 50 a second: at 200 ms each, ten at once come near.
_AT_ONCE = 10
_SECONDS = 30.0  # a letter has some tens of kilobytes: who has not answered by then is hanging
_FOUND_WITHIN = 120.0  # a minute and a half more than the longest call
_REMEMBERS = timedelta(days=6)  # a day less than they do
_TOO_MANY_TODAY = 3600.0  # a limit of a day is over at midnight: they are asked each hour

_NO_RECIPIENT = Result(Ending.REFUSED, "no-recipient")
_NO_ADDRESS = Result(Ending.REFUSED, "no-address")
_REFUSED = Result(Ending.REFUSED, REFUSED_BY_PROVIDER, Blame.RECIPIENT)
_NOT_SENT = Result(Ending.NOT_SENT)


def open_notify_emails(config: NotifyConfig, clock: Clock, *, found_within: float = _FOUND_WITHIN) -> Provider:
    """Return Notify for e-mails."""
    service = _Emails(_notify(config, clock), config.notify_template or "", config.notify_reply_to)
    return _provider(NOTIFY_EMAIL, service, clock, found_within)


def open_notify_letters(config: LetterConfig, clock: Clock, *, found_within: float = _FOUND_WITHIN) -> Provider:
    """Return Notify for letters, set as it wants them unless the settings name a profile."""
    profile = named_profile("notifynl") if config.print_profile is USUAL_PROFILE else config.print_profile
    return _provider(NOTIFY_LETTER, _Letters(_notify(config, clock), profile), clock, found_within)


def _provider(traits: Traits, service: "_Emails | _Letters", clock: Clock, found_within: float) -> Provider:
    return AskedProvider(traits, service, clock, at_once=_AT_ONCE, arrives_within=found_within, remembers=_REMEMBERS)


def open_failures(config: NotifyConfig, clock: Clock) -> "Notify":
    """Return Notify, to ask it what it could not deliver."""
    return _notify(config, clock)


def _notify(config: NotifyConfig, clock: Clock) -> "Notify":
    key = SecretText(config.notify_key or "", config.secret_files.get("HERAUT_NOTIFY_KEY"))
    return Notify(Calls(config.notify_url or "", tls=None, seconds=_SECONDS, at_once=_AT_ONCE), key, clock)


class Notify:
    """What is said to Notify, and what its answers mean."""

    def __init__(self, calls: Calls, key: SecretText, clock: Clock) -> None:
        """`key`: the name of an API key, the id of our service and the secret, as Notify shows them once."""
        self._calls, self._key, self._clock = calls, key, clock

    async def send(self, kind: str, message: bytes) -> tuple[Result | None, Outage | None]:
        """Send an `email` or a `letter`. Raises UnreachedError, LostError."""
        answer = await self._calls.post(f"/v2/notifications/{kind}", message, self._headers())
        if answer.status == 201 and answer.fields.get("id"):
            return ACCEPTED, None
        if answer.status >= 500 or answer.status < 400:
            return None, Outage(answer.after)
        return _judged(answer)

    async def has(self, reference: str) -> bool | None:
        """Tell whether something with this reference was taken. Raises UnreachedError, LostError."""
        answer = await self._calls.get("/v2/notifications", {"reference": reference}, self._headers())
        found = answer.fields.get("notifications")
        if answer.status != 200 or not isinstance(found, list):
            return None
        ours = [one for one in found if isinstance(one, dict) and one.get("reference") == reference]
        if len(ours) > 1:
            logger.error("Notify has the same attempt more than once", extra={"times": len(ours)})
        return bool(ours)

    async def page(self, channel: Channel, status: str, older_than: str) -> list[Mapping[str, Any]] | None:
        """Return a page of notifications with a status, the newest first; None where nobody answers."""
        query = {"template_type": channel.label, "status": status}
        query |= {"older_than": older_than} if older_than else {}
        try:
            answer = await self._calls.get("/v2/notifications", query, self._headers())
        except (UnreachedError, LostError):
            return None
        found = answer.fields.get("notifications")
        return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else None

    async def close(self) -> None:
        """Close the connections."""
        await self._calls.close()

    def _headers(self) -> Mapping[str, str]:
        """Return a token of this moment: Notify takes none that is older than half a minute."""
        key = self._key.text
        claims = {"iss": key[-73:-37], "iat": int(self._clock.now().timestamp())}
        return {"Authorization": f"Bearer {jwt.encode(claims, key[-36:], algorithm='HS256')}"}


class _Emails:
    """E-mails, by a template that has the places ((subject)) and ((body)), and no word of its own."""

    def __init__(self, notify: Notify, template: str, reply_to: str | None) -> None:
        self._notify, self._template = notify, template
        self._reply_to = {"email_reply_to_id": reply_to} if reply_to else {}
        self._texts = PlainTexts()

    async def message(self, work: Work, row: int) -> bytes | Result:
        """Return an e-mail as JSON."""
        recipient = mailbox(work.contacts[row].email)
        if recipient is None:
            return _NO_RECIPIENT
        wording = self._texts.wording(work, row)
        body = self._texts.top(wording, work, row) + self._texts.tail(wording)
        said: dict[str, Any] = {
            "email_address": recipient,
            "template_id": self._template,
            "personalisation": {"subject": one_line(wording.subject), "body": body},
            "reference": attempt_name(*work.round.key(row)),
        }
        return orjson.dumps(said | self._reply_to)

    async def send(self, message: bytes) -> tuple[Result | None, Outage | None]:
        """Send an e-mail. Raises UnreachedError, LostError."""
        return await self._notify.send("email", message)

    async def has(self, name: str) -> bool | None:
        """Tell whether an attempt was taken. Raises UnreachedError, LostError."""
        return await self._notify.has(name)

    async def close(self) -> None:
        """Let go of connections."""
        await self._notify.close()


class _Letters:
    """Letters, each a PDF of its own. One thread sets them, so that the event loop goes on meanwhile."""

    def __init__(self, notify: Notify, profile: Profile) -> None:
        self._notify = notify
        self._typesetter, self._box = Typesetter(profile), address_box(profile)
        self._wordings = Wordings(on_paper=True)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="letters")

    async def message(self, work: Work, row: int) -> bytes | Result:
        """Return a letter as JSON: the same bytes on every try."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._message, work, row)

    def _message(self, work: Work, row: int) -> bytes | Result:
        one, name = work.pick([row]), attempt_name(*work.round.key(row))
        contact = one.contacts[0]
        lines = envelope(contact, *addressees_of(one, phrases))
        if not lines:
            return _NO_ADDRESS
        fitted = fit_envelope(lines, self._box) if is_salutation_printable(contact) else None
        if fitted is None:
            return Result(Ending.REFUSED, unprintable(unprintable_in(contact)))
        job = print_job(name, one, [fitted], self._wordings, one.round.created_at)
        try:
            pdf = self._typesetter.set(job).pdf
        except typst.TypstError as error:
            raise UnfitError("content", "cannot be set as a letter") from error
        return orjson.dumps({"reference": name, "content": base64.b64encode(pdf).decode()})

    async def send(self, message: bytes) -> tuple[Result | None, Outage | None]:
        """Send a letter. Raises UnreachedError, LostError."""
        return await self._notify.send("letter", message)

    async def has(self, name: str) -> bool | None:
        """Tell whether an attempt was taken. Raises UnreachedError, LostError."""
        return await self._notify.has(name)

    async def close(self) -> None:
        """End the thread, and let go of connections."""
        self._thread.shutdown(wait=False)
        await self._notify.close()


def _judged(answer: Answer) -> tuple[Result, Outage | None]:
    kind, message = _error(answer)
    blame = blame_of_notify(answer.status, kind, message)
    if blame is Blame.LATER:
        today = kind == "TooManyRequestsError"
        return _NOT_SENT, Outage(_TOO_MANY_TODAY if today else answer.after, too_many=not today)
    return (_REFUSED if blame is Blame.RECIPIENT else _held(answer.status, kind, blame)), None


def _error(answer: Answer) -> tuple[str, str]:
    """Return kind and message of the first error; the message may name people, so it goes nowhere."""
    errors = answer.fields.get("errors")
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    return str(first.get("error", "")), str(first.get("message", ""))


@cache  # a handful; rows that share a result are recorded together
def _held(status: int, kind: str, blame: Blame) -> Result:
    known = kind if kind in {"BadRequestError", "ValidationError", "AuthError", "NoResultFound"} else ""
    return Result(Ending.HELD, f"http-{status} {known}".rstrip(), blame)
