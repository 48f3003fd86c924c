from notification.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class NoticesReleased(_message.Message):
    __slots__ = ("notices",)
    NOTICES_FIELD_NUMBER: _ClassVar[int]
    notices: _common_pb2.Notices
    def __init__(self, notices: _Optional[_Union[_common_pb2.Notices, _Mapping]] = ...) -> None: ...

class MembersHeld(_message.Message):
    __slots__ = ("incident_id", "sequence", "members", "versions", "reasons")
    INCIDENT_ID_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    incident_id: str
    sequence: int
    members: bytes
    versions: _containers.RepeatedScalarFieldContainer[int]
    reasons: bytes
    def __init__(self, incident_id: _Optional[str] = ..., sequence: _Optional[int] = ..., members: _Optional[bytes] = ..., versions: _Optional[_Iterable[int]] = ..., reasons: _Optional[bytes] = ...) -> None: ...

class NoticesSuperseded(_message.Message):
    __slots__ = ("incident_id", "ids", "cohort_ids", "cohorts", "marks")
    INCIDENT_ID_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    COHORT_IDS_FIELD_NUMBER: _ClassVar[int]
    COHORTS_FIELD_NUMBER: _ClassVar[int]
    MARKS_FIELD_NUMBER: _ClassVar[int]
    incident_id: str
    ids: bytes
    cohort_ids: _containers.RepeatedScalarFieldContainer[str]
    cohorts: _containers.RepeatedScalarFieldContainer[int]
    marks: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, incident_id: _Optional[str] = ..., ids: _Optional[bytes] = ..., cohort_ids: _Optional[_Iterable[str]] = ..., cohorts: _Optional[_Iterable[int]] = ..., marks: _Optional[_Iterable[int]] = ...) -> None: ...

class NoticesRecalled(_message.Message):
    __slots__ = ("incident_id", "ids", "pseudonyms", "over", "known")
    INCIDENT_ID_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    PSEUDONYMS_FIELD_NUMBER: _ClassVar[int]
    OVER_FIELD_NUMBER: _ClassVar[int]
    KNOWN_FIELD_NUMBER: _ClassVar[int]
    incident_id: str
    ids: bytes
    pseudonyms: bytes
    over: bool
    known: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, incident_id: _Optional[str] = ..., ids: _Optional[bytes] = ..., pseudonyms: _Optional[bytes] = ..., over: _Optional[bool] = ..., known: _Optional[_Iterable[int]] = ...) -> None: ...

class NoticesReaddressed(_message.Message):
    __slots__ = ("incident_id", "ids", "versions", "since", "slots", "channels", "flags", "language_names", "languages")
    INCIDENT_ID_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    FLAGS_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_NAMES_FIELD_NUMBER: _ClassVar[int]
    LANGUAGES_FIELD_NUMBER: _ClassVar[int]
    incident_id: str
    ids: bytes
    versions: _containers.RepeatedScalarFieldContainer[int]
    since: _containers.RepeatedScalarFieldContainer[int]
    slots: _containers.RepeatedScalarFieldContainer[int]
    channels: bytes
    flags: bytes
    language_names: _containers.RepeatedScalarFieldContainer[str]
    languages: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, incident_id: _Optional[str] = ..., ids: _Optional[bytes] = ..., versions: _Optional[_Iterable[int]] = ..., since: _Optional[_Iterable[int]] = ..., slots: _Optional[_Iterable[int]] = ..., channels: _Optional[bytes] = ..., flags: _Optional[bytes] = ..., language_names: _Optional[_Iterable[str]] = ..., languages: _Optional[_Iterable[int]] = ...) -> None: ...
