from notification.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class KeyVersions(_message.Message):
    __slots__ = ("match", "witness", "member", "content", "notice", "reference", "references")
    MATCH_FIELD_NUMBER: _ClassVar[int]
    WITNESS_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    NOTICE_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    REFERENCES_FIELD_NUMBER: _ClassVar[int]
    match: int
    witness: int
    member: int
    content: int
    notice: int
    reference: int
    references: int
    def __init__(self, match: _Optional[int] = ..., witness: _Optional[int] = ..., member: _Optional[int] = ..., content: _Optional[int] = ..., notice: _Optional[int] = ..., reference: _Optional[int] = ..., references: _Optional[int] = ...) -> None: ...

class IncidentChanged(_message.Message):
    __slots__ = ("incident_id", "version", "document", "key_versions", "after", "reissue", "tied")
    INCIDENT_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    KEY_VERSIONS_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    REISSUE_FIELD_NUMBER: _ClassVar[int]
    TIED_FIELD_NUMBER: _ClassVar[int]
    incident_id: str
    version: int
    document: bytes
    key_versions: KeyVersions
    after: _containers.RepeatedScalarFieldContainer[int]
    reissue: bool
    tied: bool
    def __init__(self, incident_id: _Optional[str] = ..., version: _Optional[int] = ..., document: _Optional[bytes] = ..., key_versions: _Optional[_Union[KeyVersions, _Mapping]] = ..., after: _Optional[_Iterable[int]] = ..., reissue: _Optional[bool] = ..., tied: _Optional[bool] = ...) -> None: ...

class Figures(_message.Message):
    __slots__ = ("complaints", "bounced", "returned")
    COMPLAINTS_FIELD_NUMBER: _ClassVar[int]
    BOUNCED_FIELD_NUMBER: _ClassVar[int]
    RETURNED_FIELD_NUMBER: _ClassVar[int]
    complaints: int
    bounced: int
    returned: int
    def __init__(self, complaints: _Optional[int] = ..., bounced: _Optional[int] = ..., returned: _Optional[int] = ...) -> None: ...

class CohortChanged(_message.Message):
    __slots__ = ("incident_id", "cohort_id", "version", "source", "declared", "auto_release", "sealed", "released", "release_after", "cancelled", "paused_since", "resumed_after", "canary", "per_day", "group", "counted_from", "figures", "figures_before", "tied")
    INCIDENT_ID_FIELD_NUMBER: _ClassVar[int]
    COHORT_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    DECLARED_FIELD_NUMBER: _ClassVar[int]
    AUTO_RELEASE_FIELD_NUMBER: _ClassVar[int]
    SEALED_FIELD_NUMBER: _ClassVar[int]
    RELEASED_FIELD_NUMBER: _ClassVar[int]
    RELEASE_AFTER_FIELD_NUMBER: _ClassVar[int]
    CANCELLED_FIELD_NUMBER: _ClassVar[int]
    PAUSED_SINCE_FIELD_NUMBER: _ClassVar[int]
    RESUMED_AFTER_FIELD_NUMBER: _ClassVar[int]
    CANARY_FIELD_NUMBER: _ClassVar[int]
    PER_DAY_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    COUNTED_FROM_FIELD_NUMBER: _ClassVar[int]
    FIGURES_FIELD_NUMBER: _ClassVar[int]
    FIGURES_BEFORE_FIELD_NUMBER: _ClassVar[int]
    TIED_FIELD_NUMBER: _ClassVar[int]
    incident_id: str
    cohort_id: str
    version: int
    source: str
    declared: int
    auto_release: bool
    sealed: bool
    released: bool
    release_after: _containers.RepeatedScalarFieldContainer[int]
    cancelled: bool
    paused_since: int
    resumed_after: _containers.RepeatedScalarFieldContainer[int]
    canary: int
    per_day: int
    group: str
    counted_from: int
    figures: Figures
    figures_before: Figures
    tied: bool
    def __init__(self, incident_id: _Optional[str] = ..., cohort_id: _Optional[str] = ..., version: _Optional[int] = ..., source: _Optional[str] = ..., declared: _Optional[int] = ..., auto_release: _Optional[bool] = ..., sealed: _Optional[bool] = ..., released: _Optional[bool] = ..., release_after: _Optional[_Iterable[int]] = ..., cancelled: _Optional[bool] = ..., paused_since: _Optional[int] = ..., resumed_after: _Optional[_Iterable[int]] = ..., canary: _Optional[int] = ..., per_day: _Optional[int] = ..., group: _Optional[str] = ..., counted_from: _Optional[int] = ..., figures: _Optional[_Union[Figures, _Mapping]] = ..., figures_before: _Optional[_Union[Figures, _Mapping]] = ..., tied: _Optional[bool] = ...) -> None: ...

class IncidentsChanged(_message.Message):
    __slots__ = ("incidents", "cohorts")
    INCIDENTS_FIELD_NUMBER: _ClassVar[int]
    COHORTS_FIELD_NUMBER: _ClassVar[int]
    incidents: _containers.RepeatedCompositeFieldContainer[IncidentChanged]
    cohorts: _containers.RepeatedCompositeFieldContainer[CohortChanged]
    def __init__(self, incidents: _Optional[_Iterable[_Union[IncidentChanged, _Mapping]]] = ..., cohorts: _Optional[_Iterable[_Union[CohortChanged, _Mapping]]] = ...) -> None: ...

class MembersAccepted(_message.Message):
    __slots__ = ("incident_id", "incident_version", "cohort_id", "cohort_version", "accepted_at", "members", "versions", "pseudonyms", "exposed", "confirmed", "channels", "flags", "language_names", "languages", "totals", "slots", "witnesses", "contact_since", "homes", "moves", "judgement")
    class ContactSinceEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: int
        value: int
        def __init__(self, key: _Optional[int] = ..., value: _Optional[int] = ...) -> None: ...
    INCIDENT_ID_FIELD_NUMBER: _ClassVar[int]
    INCIDENT_VERSION_FIELD_NUMBER: _ClassVar[int]
    COHORT_ID_FIELD_NUMBER: _ClassVar[int]
    COHORT_VERSION_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_AT_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    PSEUDONYMS_FIELD_NUMBER: _ClassVar[int]
    EXPOSED_FIELD_NUMBER: _ClassVar[int]
    CONFIRMED_FIELD_NUMBER: _ClassVar[int]
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    FLAGS_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_NAMES_FIELD_NUMBER: _ClassVar[int]
    LANGUAGES_FIELD_NUMBER: _ClassVar[int]
    TOTALS_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    WITNESSES_FIELD_NUMBER: _ClassVar[int]
    CONTACT_SINCE_FIELD_NUMBER: _ClassVar[int]
    HOMES_FIELD_NUMBER: _ClassVar[int]
    MOVES_FIELD_NUMBER: _ClassVar[int]
    JUDGEMENT_FIELD_NUMBER: _ClassVar[int]
    incident_id: str
    incident_version: int
    cohort_id: str
    cohort_version: int
    accepted_at: int
    members: bytes
    versions: _containers.RepeatedScalarFieldContainer[int]
    pseudonyms: bytes
    exposed: _containers.RepeatedScalarFieldContainer[int]
    confirmed: _containers.RepeatedScalarFieldContainer[int]
    channels: bytes
    flags: bytes
    language_names: _containers.RepeatedScalarFieldContainer[str]
    languages: _containers.RepeatedScalarFieldContainer[int]
    totals: _common_pb2.Totals
    slots: _containers.RepeatedScalarFieldContainer[int]
    witnesses: bytes
    contact_since: _containers.ScalarMap[int, int]
    homes: Homes
    moves: Moves
    judgement: Judgement
    def __init__(self, incident_id: _Optional[str] = ..., incident_version: _Optional[int] = ..., cohort_id: _Optional[str] = ..., cohort_version: _Optional[int] = ..., accepted_at: _Optional[int] = ..., members: _Optional[bytes] = ..., versions: _Optional[_Iterable[int]] = ..., pseudonyms: _Optional[bytes] = ..., exposed: _Optional[_Iterable[int]] = ..., confirmed: _Optional[_Iterable[int]] = ..., channels: _Optional[bytes] = ..., flags: _Optional[bytes] = ..., language_names: _Optional[_Iterable[str]] = ..., languages: _Optional[_Iterable[int]] = ..., totals: _Optional[_Union[_common_pb2.Totals, _Mapping]] = ..., slots: _Optional[_Iterable[int]] = ..., witnesses: _Optional[bytes] = ..., contact_since: _Optional[_Mapping[int, int]] = ..., homes: _Optional[_Union[Homes, _Mapping]] = ..., moves: _Optional[_Union[Moves, _Mapping]] = ..., judgement: _Optional[_Union[Judgement, _Mapping]] = ...) -> None: ...

class Homes(_message.Message):
    __slots__ = ("rows", "homes", "versions")
    ROWS_FIELD_NUMBER: _ClassVar[int]
    HOMES_FIELD_NUMBER: _ClassVar[int]
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    rows: _containers.RepeatedScalarFieldContainer[int]
    homes: bytes
    versions: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, rows: _Optional[_Iterable[int]] = ..., homes: _Optional[bytes] = ..., versions: _Optional[_Iterable[int]] = ...) -> None: ...

class Moves(_message.Message):
    __slots__ = ("pseudonyms", "homes", "versions")
    PSEUDONYMS_FIELD_NUMBER: _ClassVar[int]
    HOMES_FIELD_NUMBER: _ClassVar[int]
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    pseudonyms: bytes
    homes: bytes
    versions: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, pseudonyms: _Optional[bytes] = ..., homes: _Optional[bytes] = ..., versions: _Optional[_Iterable[int]] = ...) -> None: ...

class Judgement(_message.Message):
    __slots__ = ("number", "are_one", "undone", "members", "versions", "pseudonyms", "witnesses")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    ARE_ONE_FIELD_NUMBER: _ClassVar[int]
    UNDONE_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    PSEUDONYMS_FIELD_NUMBER: _ClassVar[int]
    WITNESSES_FIELD_NUMBER: _ClassVar[int]
    number: int
    are_one: bool
    undone: bool
    members: bytes
    versions: _containers.RepeatedScalarFieldContainer[int]
    pseudonyms: bytes
    witnesses: bytes
    def __init__(self, number: _Optional[int] = ..., are_one: _Optional[bool] = ..., undone: _Optional[bool] = ..., members: _Optional[bytes] = ..., versions: _Optional[_Iterable[int]] = ..., pseudonyms: _Optional[bytes] = ..., witnesses: _Optional[bytes] = ...) -> None: ...
