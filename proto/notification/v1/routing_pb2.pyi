from notification.v1 import common_pb2 as _common_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class NoticesRouted(_message.Message):
    __slots__ = ("notices",)
    NOTICES_FIELD_NUMBER: _ClassVar[int]
    notices: _common_pb2.Notices
    def __init__(self, notices: _Optional[_Union[_common_pb2.Notices, _Mapping]] = ...) -> None: ...

class NoticesExhausted(_message.Message):
    __slots__ = ("notices", "reason")
    NOTICES_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    notices: _common_pb2.Notices
    reason: str
    def __init__(self, notices: _Optional[_Union[_common_pb2.Notices, _Mapping]] = ..., reason: _Optional[str] = ...) -> None: ...

class NoticesReattempted(_message.Message):
    __slots__ = ("notices",)
    NOTICES_FIELD_NUMBER: _ClassVar[int]
    notices: _common_pb2.Notices
    def __init__(self, notices: _Optional[_Union[_common_pb2.Notices, _Mapping]] = ...) -> None: ...
