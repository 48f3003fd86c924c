"""Rule 1: every room has the same files, and what differs says why."""

from pathlib import Path

import pytest

from services.core.rooms import ROOMS

ROOT = Path(__file__).parents[2]

FILES = frozenset(
    {"README.md", "__init__.py", "__main__.py", "app.py", "handlers.py", "codec.py", "metrics.py", "config.py"}
    | {"domain.py", "errors.py", "store.py", "queries.sql", "schema.sql", "migrations"}
)
# Files beyond the common ones, each with its reason, and common ones that a room does without.
EXTRA = {
    "intake": {
        "api.py": "uploads come over HTTP",
        "openapi.py": "what its routes promise",
        "answers.py": "errors as problems, apart from the routes",
        "context.py": "what all its use cases work with, told to each of them as one",
        "reading": "bytes to lines: gzip, bounded, and where a record ends",
        "records": "lines to fields, and fields to a record that can be taken, or its faults",
        "members": "records to columns, and the transaction that both uploads and events end in",
        "events": "the other way in: events from upstream systems",
        "control": "the use case of operators: incidents, cohorts, seals, releases",
        "homes.py": "where people of several identities meet, for blocks and identities alike",
        "synthetic": "the person who is nobody: sent again and again, and waited for",
        "heard.py": "when a stop is answered, be it a cohort's or what is said of records",
        "identities": "who comes under two identities, asked by members and by operators",
    },
    "routing": {
        "readdressing.py": "a new attempt after a correction, apart from which channel comes next",
        "cascading.py": "whether what came back goes on, by the incident's policy",
        "came_back.py": "where no later notice goes for that, whatever becomes of the one that came back",
    },
    "deduplication": {
        "agreement.py": "who is one person, apart from what a person is told",
        "judgements.py": "what operators said of who is one person",
        "judging.py": "who hears it, and knows it where people are decided about",
        "settling.py": "what becomes of one person, apart from who is one",
        "corrections.py": "what was told and does not hold any more, by the incident's policy",
        "bare.py": "records that say not who they are about, apart from who agrees with whom",
        "correcting.py": "whom a changed policy wants a correction for, looked for in pages",
        "readdressing.py": "contact data that was corrected after a release, apart from what is released",
        "dossier.py": "one pseudonym, whose people are decided about one by one",
        "packing.py": "rows as bytes for COPY, apart from the statements",
        "strangers.py": "whether anybody is looked for at all",
        "rows.py": "which rows say what was decided, apart from the decision",
        "unsettled.py": "what a member's source has to do about it, apart from where the member stands",
        "standings.py": "how somebody stands who is alone, as a table for whole columns",
        "batch.py": "nearly everybody is new: decided over columns, not one by one",
        "recall.py": "which released notices must not begin any more, apart from what is released",
        "recalling.py": "recalls as blocks, and what dispatch need not remember",
        "moving.py": "people who come under several identities, decided apart",
        "taken.py": "how far intake's blocks are known, asked by all that decides",
        "homes.py": "how their rows are locked and moved, across partitions",
        "outcomes.py": "numbers that are stored, apart from the rules that give them",
        "permissions.py": "what cohorts let go in which partition",
        "versions.py": "what the versions of the document let go in which partition",
        "quotas.py": "how many may still go, and on which day",
        "pacing.py": "what limits leave is let go, under locks that all owners share",
        "ruling.py": "which terms hold for an incident's people, and in which partitions",
        "ticking.py": "who is looked for because control changed, apart from what blocks bring",
        "synthetic.py": "rows of people who are nobody, which go after an hour",
        "announcing.py": "how far it has come, said to what waits for that after a pause",
        "outputs.py": "what decisions come to outside: blocks and moved counts",
    },
    "dispatch": {
        "api.py": "what waits, and what nobody knows the end of, for operators",
        "openapi.py": "what its routes promise",
        "bounces": "what comes back by mail, read and kept",
        "mail_config.py": "the settings of e-mail, which has several providers",
        "provider.py": "the seam that the adapters implement, and the traits of providers",
        "blame.py": "whose fault a provider's answer is, as a table",
        "breaker.py": "when a channel, a domain or an incident is paused, decided apart from what is handed over",
        "outcomes.py": "how a hand-over ends; decided apart from what is handed over",
        "print_answers.py": "what a print house says of its jobs, and whose fault a rejection is",
        "printed": "hears that, and carries out what operators decide about what was rejected",
        "rejected": "likewise of what any other provider took and rejected afterwards",
        "print_runs.py": "several print files with their total, as the print house counts them",
        "run_store.py": "their rows, apart from those of attempts",
        "standing.py": "what waits on a channel, and since when, as figures",
        "pauses.py": "which notices may not begin just now, apart from what is queued",
        "pausing.py": "who goes on after a pause, and what had begun when it came",
        "closures.py": "for which incidents the channel is closed, looked up where pauses are",
        "moving_on.py": "what waits for a closed channel, given back to routing",
        "rates.py": "how much a provider is handed, decided apart from who hands it over",
        "turn_store.py": "what all processes together may hand it, apart from what is queued",
        "limits_shown.py": "what an operator sees of limits, beside the routes that show it",
        "channel_pause.py": "an operator's pause of a channel, as all its processes know it",
        "restored.py": "what is in doubt once the database was set back, done by a command and no process",
        "found_letters.py": "what becomes of letters that were printed before that, waiting ones and those that come",
        "found_store.py": "their rows, apart from those of attempts",
        "counting.py": "what a pause holds back, as the ledger counts it",
        "settling.py": "what whoever settles attempts needs of the store, said once",
        "recalls.py": "notices that must not begin any more, stopped where they lie or when they come",
        "receipts.py": "what came back after its hand-over, given back to routing",
        "rounds.py": "attempts put together into batches and rounds",
        "channels": "the table of channels, and an adapter for each",
        "sending": "intent, hand-over, outcome: the job beside the stage",
    },
    "tracking": {
        "api.py": "the ledger is read over HTTP",
        "openapi.py": "what its routes promise",
        "ledger.py": "the equations, apart from the states of notices",
        "histories.py": "where a notice stands by all that was heard of it",
        "joining.py": "the rows of it",
        "packing.py": "what was heard of a block's notices as one row",
        "blocks.py": "those rows, and which notices are known, in a process and in the database",
        "blocks.sql": "its statements, apart from those of rows a notice",
        "places.py": "how one notice is found among them",
        "sieve.py": "that nearly all notices of a block are new, without asking the database",
        "said.py": "a receipt before its notice is known",
        "receiving": "the ways in for receipts: webhooks, lists, and time that passes unread",
        "stops.py": "when a rule stops a cohort, apart from what state a notice is in",
        "progress.py": "how a release goes, for operators",
        "closures.py": "what had begun on channels that were closed, for operators",
        "stopping.py": "who looks for that, and tells intake",
        "page.py": "the ledger for people",
        "page.css": "how it looks",
        "verification": "readers have a reference checked: routes and a page that ask for no token",
    },
}


@pytest.mark.parametrize("room", ROOMS)
def test_room_has_exactly_the_files_of_every_room(room: str) -> None:
    """A reader who knows one room knows them all."""
    found = {path.name for path in (ROOT / "services" / room).iterdir() if path.name != "__pycache__"}

    assert (FILES | EXTRA[room].keys()) == found
