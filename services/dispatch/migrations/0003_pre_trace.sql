-- Where a batch stands in a trace, for who traces: what is handed over hours later follows from the same upload.

alter table batches add column trace text; -- what it follows from: traceparents (W3C) with commas between; null = unknown
