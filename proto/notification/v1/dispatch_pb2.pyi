from notification.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Outcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OUTCOME_UNSPECIFIED: _ClassVar[Outcome]
    OUTCOME_ACCEPTED: _ClassVar[Outcome]
    OUTCOME_REFUSED: _ClassVar[Outcome]
    OUTCOME_UNKNOWN: _ClassVar[Outcome]

class Answer(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ANSWER_UNSPECIFIED: _ClassVar[Answer]
    ANSWER_BEGUN: _ClassVar[Answer]
    ANSWER_STOPPED: _ClassVar[Answer]
OUTCOME_UNSPECIFIED: Outcome
OUTCOME_ACCEPTED: Outcome
OUTCOME_REFUSED: Outcome
OUTCOME_UNKNOWN: Outcome
ANSWER_UNSPECIFIED: Answer
ANSWER_BEGUN: Answer
ANSWER_STOPPED: Answer

class DeliveriesAttempted(_message.Message):
    __slots__ = ("incident_id", "channel", "provider", "ids", "members", "revisions", "attempts", "outcomes", "cohort_ids", "cohorts", "at")
    INCIDENT_ID_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    REVISIONS_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    OUTCOMES_FIELD_NUMBER: _ClassVar[int]
    COHORT_IDS_FIELD_NUMBER: _ClassVar[int]
    COHORTS_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    incident_id: str
    channel: str
    provider: str
    ids: bytes
    members: bytes
    revisions: _containers.RepeatedScalarFieldContainer[int]
    attempts: _containers.RepeatedScalarFieldContainer[int]
    outcomes: bytes
    cohort_ids: _containers.RepeatedScalarFieldContainer[str]
    cohorts: _containers.RepeatedScalarFieldContainer[int]
    at: int
    def __init__(self, incident_id: _Optional[str] = ..., channel: _Optional[str] = ..., provider: _Optional[str] = ..., ids: _Optional[bytes] = ..., members: _Optional[bytes] = ..., revisions: _Optional[_Iterable[int]] = ..., attempts: _Optional[_Iterable[int]] = ..., outcomes: _Optional[bytes] = ..., cohort_ids: _Optional[_Iterable[str]] = ..., cohorts: _Optional[_Iterable[int]] = ..., at: _Optional[int] = ...) -> None: ...

class NoticesStopped(_message.Message):
    __slots__ = ("incident_id", "ids", "pseudonyms", "answers", "asks")
    INCIDENT_ID_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    PSEUDONYMS_FIELD_NUMBER: _ClassVar[int]
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    ASKS_FIELD_NUMBER: _ClassVar[int]
    incident_id: str
    ids: bytes
    pseudonyms: bytes
    answers: bytes
    asks: bool
    def __init__(self, incident_id: _Optional[str] = ..., ids: _Optional[bytes] = ..., pseudonyms: _Optional[bytes] = ..., answers: _Optional[bytes] = ..., asks: _Optional[bool] = ...) -> None: ...

class PausesObserved(_message.Message):
    __slots__ = ("incident_id", "pause_id", "channel", "ids", "attempts")
    INCIDENT_ID_FIELD_NUMBER: _ClassVar[int]
    PAUSE_ID_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    incident_id: str
    pause_id: str
    channel: str
    ids: bytes
    attempts: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, incident_id: _Optional[str] = ..., pause_id: _Optional[str] = ..., channel: _Optional[str] = ..., ids: _Optional[bytes] = ..., attempts: _Optional[_Iterable[int]] = ...) -> None: ...

class DeliveriesRefused(_message.Message):
    __slots__ = ("notices", "reason", "channel")
    NOTICES_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    notices: _common_pb2.Notices
    reason: str
    channel: int
    def __init__(self, notices: _Optional[_Union[_common_pb2.Notices, _Mapping]] = ..., reason: _Optional[str] = ..., channel: _Optional[int] = ...) -> None: ...

class ReceiptsReceived(_message.Message):
    __slots__ = ("channel", "ids", "attempts", "kinds", "reasons", "at")
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    KINDS_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    channel: str
    ids: bytes
    attempts: _containers.RepeatedScalarFieldContainer[int]
    kinds: bytes
    reasons: bytes
    at: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, channel: _Optional[str] = ..., ids: _Optional[bytes] = ..., attempts: _Optional[_Iterable[int]] = ..., kinds: _Optional[bytes] = ..., reasons: _Optional[bytes] = ..., at: _Optional[_Iterable[int]] = ...) -> None: ...
