"""Dispatch's tables of print runs and print files."""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from pathlib import Path

from services.core.status import AttemptState
from services.core.synthetic import is_synthetic
from services.dispatch.domain import PrintedFile, Round
from services.dispatch.outcomes import AttemptOutcome
from services.dispatch.print_runs import HANDLINGS, PrintRun, RunState, handling_of
from services.kit.postgres import Connection, Queries
from services.rendering.letters.print_job import letter_date

__all__ = ["RunStore"]

_QUERIES = Queries.load(Path(__file__).with_name("queries.sql"))


class RunStore:
    """Reads and writes print runs, on the connection that it is given; whoever writes owns the partition."""

    async def assign(self, connection: Connection, rounds: Sequence[Round], now: datetime) -> None:
        """Put the print files that these rounds are about to make into the open runs of the day; opens those."""
        day = letter_date(now)
        for partition in sorted({one.partition for one in rounds}):
            here = [one for one in rounds if one.partition == partition and one.print_job is not None]
            here = [one for one in here if not is_synthetic(one.notices.incident_id)]  # nothing of it is printed
            if not here:
                continue
            handlings = sorted({handling_of(one) for one in here})
            words = [HANDLINGS[number] for number in handlings]
            await connection.execute(_QUERIES["open_runs"], day, partition, now, handlings, words)
            rows = await connection.fetch(_QUERIES["lock_open_runs"], day, partition)
            runs = {row["handling"]: row["run"] for row in rows}
            wanted = [runs[handling_of(one)] for one in here]
            placed = await connection.fetch(_QUERIES["add_files"], [one.print_job for one in here], wanted)
            found = {row["job"]: row["run"] for row in placed}
            for one in here:
                one.print_run = found[one.print_job]

    async def settle(
        self, connection: Connection, one: Round, outcomes: Sequence[AttemptOutcome], now: datetime
    ) -> None:
        """Count a round's print file in its run, or forget it where nothing of it was printed, nor may have been."""
        if one.print_job is None:
            return
        if one.printed is None:
            if not any(outcome.state is AttemptState.INTENT for outcome in outcomes):
                await connection.execute(_QUERIES["drop_file"], one.print_job)
            return
        run = await connection.fetchval(_QUERIES["lock_run"], one.print_job)
        if run is not None:  # else it was counted before
            await connection.execute(_QUERIES["file_done"], one.print_job, run, *one.printed, now)
            await connection.execute(_QUERIES["run_grew"], run, now)

    async def due(
        self, connection: Connection, partitions: Collection[int], today: date, quiet_since: datetime
    ) -> list[tuple[str, int]]:
        """Return runs that are to be closed, each with its partition."""
        rows = await connection.fetch(_QUERIES["runs_due"], list(partitions), today, quiet_since)
        return [(row["run"], row["partition"]) for row in rows]

    async def unclosed(self, connection: Connection) -> tuple[int, datetime | None]:
        """Return how many runs are not closed, and since when the first of them got no file."""
        ((runs, since),) = await connection.fetch(_QUERIES["unclosed_runs"])
        return runs, since

    async def begin_closing(self, connection: Connection, run: str, now: datetime) -> PrintRun | None:
        """Let the total of a run stay as it is, and return it; None where there is nothing to close, or not yet."""
        state = await connection.fetchval(_QUERIES["lock_run_due"], run)
        if state == RunState.OPEN:
            ((done, on_their_way),) = await connection.fetch(_QUERIES["files_on_their_way"], run)
            if on_their_way:
                return None
            if not done:
                await connection.execute(_QUERIES["drop_run"], run)
                return None
            await connection.execute(_QUERIES["end_run"], run, RunState.CLOSING, now)
        return await self._read(connection, run)

    async def close(self, connection: Connection, run: str, now: datetime) -> None:
        """Note that the print house has the total of a run."""
        await connection.execute(_QUERIES["end_run"], run, RunState.CLOSED, now)

    async def _read(self, connection: Connection, run: str) -> PrintRun | None:
        row = await connection.fetchrow(_QUERIES["read_run"], run)
        if row is None:
            return None
        files = await connection.fetch(_QUERIES["files_of_run"], run)
        return PrintRun(
            row["run"],
            row["day"],
            HANDLINGS[row["handling"]],
            row["at"],
            [(f["job"], PrintedFile(f["letters"], f["pages"], f["sheets"], f["digest"])) for f in files],
        )
