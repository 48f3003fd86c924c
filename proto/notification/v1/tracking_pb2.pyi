from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class StopsRaised(_message.Message):
    __slots__ = ("stops",)
    STOPS_FIELD_NUMBER: _ClassVar[int]
    stops: _containers.RepeatedCompositeFieldContainer[Stop]
    def __init__(self, stops: _Optional[_Iterable[_Union[Stop, _Mapping]]] = ...) -> None: ...

class Stop(_message.Message):
    __slots__ = ("incident_id", "cohort_id", "counted_from", "rule", "channel", "count", "of", "above")
    INCIDENT_ID_FIELD_NUMBER: _ClassVar[int]
    COHORT_ID_FIELD_NUMBER: _ClassVar[int]
    COUNTED_FROM_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    OF_FIELD_NUMBER: _ClassVar[int]
    ABOVE_FIELD_NUMBER: _ClassVar[int]
    incident_id: str
    cohort_id: str
    counted_from: int
    rule: str
    channel: str
    count: int
    of: int
    above: float
    def __init__(self, incident_id: _Optional[str] = ..., cohort_id: _Optional[str] = ..., counted_from: _Optional[int] = ..., rule: _Optional[str] = ..., channel: _Optional[str] = ..., count: _Optional[int] = ..., of: _Optional[int] = ..., above: _Optional[float] = ...) -> None: ...

class ReceiptsAccepted(_message.Message):
    __slots__ = ("channel", "ids", "attempts", "kinds", "reasons")
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    KINDS_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    channel: str
    ids: bytes
    attempts: _containers.RepeatedScalarFieldContainer[int]
    kinds: bytes
    reasons: bytes
    def __init__(self, channel: _Optional[str] = ..., ids: _Optional[bytes] = ..., attempts: _Optional[_Iterable[int]] = ..., kinds: _Optional[bytes] = ..., reasons: _Optional[bytes] = ...) -> None: ...

class SyntheticArrived(_message.Message):
    __slots__ = ("members",)
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    members: bytes
    def __init__(self, members: _Optional[bytes] = ...) -> None: ...
