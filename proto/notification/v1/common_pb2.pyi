from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Notices(_message.Message):
    __slots__ = ("incident_id", "incident_version", "ids", "members", "versions", "pseudonyms", "revisions", "supersedes", "exposed", "confirmed", "told_exposed", "told_confirmed", "channels", "flags", "language_names", "languages", "cohort_ids", "cohorts", "accepted_at", "attempts", "tried", "slots", "carrier_sets", "carriers", "contact_since")
    class SupersedesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: int
        value: bytes
        def __init__(self, key: _Optional[int] = ..., value: _Optional[bytes] = ...) -> None: ...
    class ToldExposedEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: int
        value: int
        def __init__(self, key: _Optional[int] = ..., value: _Optional[int] = ...) -> None: ...
    class ToldConfirmedEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: int
        value: int
        def __init__(self, key: _Optional[int] = ..., value: _Optional[int] = ...) -> None: ...
    class ContactSinceEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: int
        value: int
        def __init__(self, key: _Optional[int] = ..., value: _Optional[int] = ...) -> None: ...
    INCIDENT_ID_FIELD_NUMBER: _ClassVar[int]
    INCIDENT_VERSION_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    PSEUDONYMS_FIELD_NUMBER: _ClassVar[int]
    REVISIONS_FIELD_NUMBER: _ClassVar[int]
    SUPERSEDES_FIELD_NUMBER: _ClassVar[int]
    EXPOSED_FIELD_NUMBER: _ClassVar[int]
    CONFIRMED_FIELD_NUMBER: _ClassVar[int]
    TOLD_EXPOSED_FIELD_NUMBER: _ClassVar[int]
    TOLD_CONFIRMED_FIELD_NUMBER: _ClassVar[int]
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    FLAGS_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_NAMES_FIELD_NUMBER: _ClassVar[int]
    LANGUAGES_FIELD_NUMBER: _ClassVar[int]
    COHORT_IDS_FIELD_NUMBER: _ClassVar[int]
    COHORTS_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_AT_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    TRIED_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    CARRIER_SETS_FIELD_NUMBER: _ClassVar[int]
    CARRIERS_FIELD_NUMBER: _ClassVar[int]
    CONTACT_SINCE_FIELD_NUMBER: _ClassVar[int]
    incident_id: str
    incident_version: int
    ids: bytes
    members: bytes
    versions: _containers.RepeatedScalarFieldContainer[int]
    pseudonyms: bytes
    revisions: _containers.RepeatedScalarFieldContainer[int]
    supersedes: _containers.ScalarMap[int, bytes]
    exposed: _containers.RepeatedScalarFieldContainer[int]
    confirmed: _containers.RepeatedScalarFieldContainer[int]
    told_exposed: _containers.ScalarMap[int, int]
    told_confirmed: _containers.ScalarMap[int, int]
    channels: bytes
    flags: bytes
    language_names: _containers.RepeatedScalarFieldContainer[str]
    languages: _containers.RepeatedScalarFieldContainer[int]
    cohort_ids: _containers.RepeatedScalarFieldContainer[str]
    cohorts: _containers.RepeatedScalarFieldContainer[int]
    accepted_at: _containers.RepeatedScalarFieldContainer[int]
    attempts: _containers.RepeatedScalarFieldContainer[int]
    tried: bytes
    slots: _containers.RepeatedScalarFieldContainer[int]
    carrier_sets: _containers.RepeatedCompositeFieldContainer[CohortSet]
    carriers: _containers.RepeatedScalarFieldContainer[int]
    contact_since: _containers.ScalarMap[int, int]
    def __init__(self, incident_id: _Optional[str] = ..., incident_version: _Optional[int] = ..., ids: _Optional[bytes] = ..., members: _Optional[bytes] = ..., versions: _Optional[_Iterable[int]] = ..., pseudonyms: _Optional[bytes] = ..., revisions: _Optional[_Iterable[int]] = ..., supersedes: _Optional[_Mapping[int, bytes]] = ..., exposed: _Optional[_Iterable[int]] = ..., confirmed: _Optional[_Iterable[int]] = ..., told_exposed: _Optional[_Mapping[int, int]] = ..., told_confirmed: _Optional[_Mapping[int, int]] = ..., channels: _Optional[bytes] = ..., flags: _Optional[bytes] = ..., language_names: _Optional[_Iterable[str]] = ..., languages: _Optional[_Iterable[int]] = ..., cohort_ids: _Optional[_Iterable[str]] = ..., cohorts: _Optional[_Iterable[int]] = ..., accepted_at: _Optional[_Iterable[int]] = ..., attempts: _Optional[_Iterable[int]] = ..., tried: _Optional[bytes] = ..., slots: _Optional[_Iterable[int]] = ..., carrier_sets: _Optional[_Iterable[_Union[CohortSet, _Mapping]]] = ..., carriers: _Optional[_Iterable[int]] = ..., contact_since: _Optional[_Mapping[int, int]] = ...) -> None: ...

class CohortSet(_message.Message):
    __slots__ = ("cohorts",)
    COHORTS_FIELD_NUMBER: _ClassVar[int]
    cohorts: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, cohorts: _Optional[_Iterable[int]] = ...) -> None: ...

class Totals(_message.Message):
    __slots__ = ("stage", "source", "incident_id", "cohort_id", "sequence", "counts", "at")
    class CountsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    STAGE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    INCIDENT_ID_FIELD_NUMBER: _ClassVar[int]
    COHORT_ID_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    stage: str
    source: str
    incident_id: str
    cohort_id: str
    sequence: int
    counts: _containers.ScalarMap[str, int]
    at: int
    def __init__(self, stage: _Optional[str] = ..., source: _Optional[str] = ..., incident_id: _Optional[str] = ..., cohort_id: _Optional[str] = ..., sequence: _Optional[int] = ..., counts: _Optional[_Mapping[str, int]] = ..., at: _Optional[int] = ...) -> None: ...

class TotalsChanged(_message.Message):
    __slots__ = ("totals",)
    TOTALS_FIELD_NUMBER: _ClassVar[int]
    totals: _containers.RepeatedCompositeFieldContainer[Totals]
    def __init__(self, totals: _Optional[_Iterable[_Union[Totals, _Mapping]]] = ...) -> None: ...
