"""What is heard of e-mails after they were handed over: reports come in over SMTP, and go out as receipts."""
