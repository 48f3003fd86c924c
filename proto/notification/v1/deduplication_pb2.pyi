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

class NoticesSuperseded(_message.Message):
    __slots__ = ("incident_id", "ids", "cohort_ids", "cohorts")
    INCIDENT_ID_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    COHORT_IDS_FIELD_NUMBER: _ClassVar[int]
    COHORTS_FIELD_NUMBER: _ClassVar[int]
    incident_id: str
    ids: bytes
    cohort_ids: _containers.RepeatedScalarFieldContainer[str]
    cohorts: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, incident_id: _Optional[str] = ..., ids: _Optional[bytes] = ..., cohort_ids: _Optional[_Iterable[str]] = ..., cohorts: _Optional[_Iterable[int]] = ...) -> None: ...
