-- Since which version a member has the contact data that it has: routing writes no more to where something came back.

alter table members add column contact_since int; -- the version that brought its contact data; null = this one
