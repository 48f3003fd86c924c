"""The statements of peers that take a person at a time: a notice is claimed, read, and its delivery recorded."""

__all__ = ["CLAIM", "READ", "TOLD"]

CLAIM = (
    "insert into notices (person, member, record) values (%(person)s, %(member)s, %(record)s) on conflict do nothing"
)
READ = "select member, record from notices where person = %(person)s"
TOLD = "insert into deliveries (person, member) values (%(person)s, %(member)s)"
