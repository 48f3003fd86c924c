"""Hears what the print house answers: reads its files, keeps what they say, and puts them away.

What a file says is kept in one transaction, and changes nothing when it is said again: so a file that could not be put
away, or that two processes read, does no harm. What cannot be kept is left where it lies, named and counted.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from services.core.channel import Channel
from services.core.clock import Clock
from services.core.receipts import PROGRESS, Receipt, ReceiptKind
from services.dispatch.metrics import PrintMetrics
from services.dispatch.print_answers import (
    InvalidAnswer,
    JobAnswer,
    PrintedLetter,
    Verdict,
    is_answer_name,
    laid_against,
    read_answer,
)
from services.dispatch.printed.store import JobFile, PrintedStore
from services.dispatch.provider import AnswerBox, AnswerFile
from services.kit.errors import LostOwnershipError
from services.kit.folders import UnfitFileError
from services.kit.postgres import Connection, Pool, is_retryable
from services.kit.retry import pause_until
from services.kit.stage import StageHandle
from services.wire.receipts import encode_received

__all__ = ["MOST_BYTES", "Hearing"]

logger = logging.getLogger(__name__)

MOST_BYTES: Final = 8_000_000  # of an answer: it names a hundred thousand letters in that
# Seconds after which a file is read again that nobody wrote anew: its job may be known by now, or done.
_AGAIN: Final = 60.0
_CLEAR_EVERY: Final = 600.0
_AT_ONCE: Final = 256  # print files in one transaction: a rejected one has hundreds of letters


class _Left(NamedTuple):
    """A file that was left where it lies, why, and when it is read again."""

    file: AnswerFile
    why: str
    again_at: float


class Hearing:
    """One process's look at where its print house answers."""

    def __init__(
        self,
        box: AnswerBox,
        *,
        stage: StageHandle,
        pool: Pool,
        channel: Channel,
        clock: Clock,
        metrics: PrintMetrics,
        keep: timedelta,
    ) -> None:
        """`keep` is how long print files stay once the print house has them."""
        self._box, self._stage, self._pool, self._clock, self._metrics = box, stage, pool, clock, metrics
        self._channel, self._store, self._keep = int(channel), PrintedStore(channel), keep
        self._seen: frozenset[AnswerFile] = frozenset()
        self._left: dict[str, _Left] = {}
        self._clear_at = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Look until `stop`."""
        while not stop.is_set():
            try:
                await self.look()
                await self._clear()
            except LostOwnershipError:
                pass
            except Exception as error:
                if not (isinstance(error, OSError) or is_retryable(error)):
                    raise
                logger.warning("the print house's answers cannot be read", extra={"error_class": type(error).__name__})
            await pause_until(stop, self._box.every)

    async def look(self) -> None:
        """Read what lies there since the last look at least, and was not written to meanwhile. Raises OSError."""
        if not self._stage.owned():
            return
        files = await self._box.files()
        before, self._seen = self._seen, frozenset(files)
        self._left = {one.name: self._left[one.name] for one in files if one.name in self._left}
        for one in files:
            if one in before and not self._waits(one):
                await self._take(one)
        self._metrics.left(Counter(left.why for left in self._left.values()))
        async with self._pool.acquire() as connection:
            self._metrics.show(*await self._store.standing(connection))

    def _waits(self, one: AnswerFile) -> bool:
        left = self._left.get(one.name)
        return left is not None and left.file == one and self._clock.monotonic() < left.again_at

    async def _take(self, one: AnswerFile) -> None:
        """Keep what a file says, and put it away; or leave it."""
        now = self._clock.now()
        try:
            body = await self._read(one)
            answer = read_answer(body, int(now.timestamp() * 1000))
            why = await self._keep_said(answer, now)
            if why:
                self._leave(one, why, answer.job)
                return
        except FileNotFoundError:
            return
        except UnfitFileError as error:
            self._leave(one, error.reason)
            return
        except InvalidAnswer as error:
            self._leave(one, "malformed", field=str(error))
            return
        self._left.pop(one.name, None)
        await self._box.put_away(one, body)

    async def _read(self, one: AnswerFile) -> bytes:
        if not is_answer_name(one.name):
            raise UnfitFileError("name")
        return await self._box.read(one, MOST_BYTES)

    def _leave(self, one: AnswerFile, why: str, job: str = "", field: str = "") -> None:
        """Leave a file; it is said once, until it is written anew or something else is wrong with it."""
        before = self._left.get(one.name)
        self._left[one.name] = _Left(one, why, self._clock.monotonic() + _AGAIN)
        if before is not None and (before.file, before.why) == (one, why):
            return
        if why == "not-done":  # it will be: the print house was faster than our own note of it
            return
        about = {"file": one.name if is_answer_name(one.name) else "", "why": why, "job": job, "field": field}
        logger.error("an answer of the print house is left where it lies", extra=about)
        self._metrics.heard(why)

    async def _keep_said(self, answer: JobAnswer, now: datetime) -> str:
        """Write down what is said; returns why it cannot be, empty where it is."""
        async with self._pool.acquire() as connection:
            files = await self._store.files_of(connection, answer.job, answer.file)
        if not files:
            return "unknown-job"
        done = [one for one in files if one.done]
        if not done:
            return "not-done"
        special: Mapping[int, Verdict] = {}
        letters: Sequence[PrintedLetter] = ()
        if answer.names_letters:
            if len(done) > 1:
                raise InvalidAnswer("job")  # letters and sheets are named in one print file
            found = await self._box.letters(done[0].job)
            if found is None:
                return "no-manifest"
            letters, special = found, laid_against(answer, found)
        whole = answer.whole or _of_all(special, letters)
        for at in range(0, len(done), _AT_ONCE):
            await self._write(answer, whole, done[at : at + _AT_ONCE], _rows(special, letters, whole), now)
        return ""

    async def _write(
        self,
        answer: JobAnswer,
        whole: Verdict | None,
        files: Sequence[JobFile],
        special: Mapping[tuple[bytes, int], Verdict],
        now: datetime,
    ) -> None:
        partition = min(self._stage.owned(), default=None)
        if partition is None:
            raise LostOwnershipError("no partition is owned")
        receipts = [self._receipt(key, verdict, answer.at) for key, verdict in sorted(special.items())]
        async with self._stage.fenced([partition]) as transaction:
            new = await self._note(transaction.connection, answer, whole, files, now) if whole else {}
            if whole and whole.kind is ReceiptKind.REFUSED and new:
                batches = await self._store.printed(transaction.connection, new)
                keys = [key for one in batches for key in zip(one.notices.ids, one.notices.attempts, strict=True)]
                receipts += [self._receipt(key, whole, answer.at) for key in keys if key not in special]
            transaction.emit(list(encode_received(partition, receipts)))
        self._tell(answer, whole, new, special)

    async def _note(
        self, connection: Connection, answer: JobAnswer, whole: Verdict, files: Sequence[JobFile], now: datetime
    ) -> Mapping[bytes, bool]:
        await self._store.files_of(connection, answer.job, answer.file)  # locked, in the order of their keys
        at, jobs = datetime.fromtimestamp(answer.at / 1000, UTC), [one.job for one in files]
        return await self._store.note(connection, jobs, whole.kind, at, word=whole.word, now=now)

    def _receipt(self, key: tuple[bytes, int], verdict: Verdict, at: int) -> Receipt:
        notice, attempt = key
        return Receipt(notice, self._channel, attempt, int(verdict.kind), at, int(verdict.reason))

    def _tell(
        self,
        answer: JobAnswer,
        whole: Verdict | None,
        new: Mapping[bytes, bool],
        special: Mapping[tuple[bytes, int], Verdict],
    ) -> None:
        """Count what was heard, and say what people have to look at."""
        if whole:
            self._metrics.heard(_WORDS[whole.kind], len(new))
        if contradictory := sum(new.values()):
            self._metrics.heard("contradictory", contradictory)
            about = {"job": answer.job, "files": contradictory}
            logger.error("the print house says that a job was posted and that it was rejected", extra=about)
        rejected = sum(verdict.kind is ReceiptKind.REFUSED for verdict in special.values())
        if whole and whole.kind is ReceiptKind.REFUSED and new:
            about = {"job": answer.job, "files": len(new), "reason": whole.word}
            logger.error("the print house rejected a job: nobody is told by it", extra=about)
        if rejected:
            self._metrics.heard("letter-rejected", rejected)
            logger.error("the print house rejected letters", extra={"job": answer.job, "count": rejected})

    async def _clear(self) -> None:
        """Remove print files that need not stay."""
        if self._clock.monotonic() < self._clear_at:
            return
        self._clear_at = self._clock.monotonic() + _CLEAR_EVERY
        await self.clear()

    async def clear(self) -> None:
        """Remove the print files here that the print house has had for long enough. Raises OSError."""
        before = self._clock.now() - self._keep
        here = await self._box.printed()
        async with self._pool.acquire() as connection:
            jobs = await self._store.clearable(connection, here, before) if here else []
        await self._box.clear(jobs, before.timestamp())
        if jobs:
            logger.info("print files are removed that the print house has", extra={"files": len(jobs)})


_WORDS: Final = {
    ReceiptKind.ACKNOWLEDGED: "acknowledged",
    ReceiptKind.POSTED: "posted",
    ReceiptKind.REFUSED: "rejected",
}


def _of_all(special: Mapping[int, Verdict], letters: Sequence[PrintedLetter]) -> Verdict | None:
    """Return what is said of a whole file where all of its letters are named, and the same good is said of all."""
    verdicts = set(special.values())
    if len(special) < len(letters) or len(verdicts) != 1:
        return None
    (verdict,) = verdicts
    return verdict if verdict.kind in PROGRESS else None


def _rows(
    special: Mapping[int, Verdict], letters: Sequence[PrintedLetter], whole: Verdict | None
) -> dict[tuple[bytes, int], Verdict]:
    """Return what is said of single letters by their attempts, less what is said of the whole file anyway."""
    return {
        (letters[row].notice, letters[row].attempt): verdict for row, verdict in special.items() if verdict != whole
    }
