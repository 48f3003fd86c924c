"""Reports as mail programs write them: Postfix, Exim, Exchange, and feedback loops. Names and addresses are made up."""

__all__ = ["ABSENCE", "EXCHANGE", "EXIM", "EXIM_BEFORE", "FEEDBACK", "POSTFIX", "POSTFIX_DELAYED", "report_of"]


def _lines(text: str) -> bytes:
    return text.strip().replace("\n", "\r\n").encode() + b"\r\n"


POSTFIX = _lines("""
From: MAILER-DAEMON@mail.example (Mail Delivery System)
Subject: Undelivered Mail Returned to Sender
To: retour@ministerie.example
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
\tboundary="4Z1/mail.example"

This is a MIME-encapsulated message.

--4Z1/mail.example
Content-Description: Notification
Content-Type: text/plain; charset=us-ascii

I'm sorry to have to inform you that your message could not
be delivered to one or more recipients. It's attached below.

<jan@post.example>: host mx.post.example[192.0.2.7] said: 550 5.1.1
    <jan@post.example>: Recipient address rejected: User unknown (in reply to RCPT TO command)

--4Z1/mail.example
Content-Description: Delivery report
Content-Type: message/delivery-status

Reporting-MTA: dns; mail.example
Original-Envelope-Id: made-up
X-Postfix-Queue-ID: 4Z1
Arrival-Date: Fri, 27 Nov 2026 10:00:00 +0100 (CET)

Final-Recipient: rfc822; jan@post.example
Original-Recipient: rfc822;jan@post.example
Action: failed
Status: 5.1.1
Remote-MTA: dns; mx.post.example
Diagnostic-Code: smtp; 550 5.1.1 <jan@post.example>: Recipient address
    rejected: User unknown

--4Z1/mail.example
Content-Description: Undelivered Message Headers
Content-Type: text/rfc822-headers

Message-ID: <made-up@ministerie.example>
Subject: Uw gegevens zijn gestolen

--4Z1/mail.example--
""")

POSTFIX_DELAYED = POSTFIX.replace(b"Action: failed", b"Action: delayed").replace(b"Status: 5.1.1", b"Status: 4.4.1")

EXIM = _lines("""
X-Failed-Recipients: jan@post.example
Auto-Submitted: auto-replied
From: Mail Delivery System <Mailer-Daemon@exim.example>
To: retour@ministerie.example
Content-Type: multipart/report; report-type=delivery-status; boundary=1764234567-eximdsn-123
MIME-Version: 1.0
Subject: Mail delivery failed: returning message to sender

--1764234567-eximdsn-123
Content-type: text/plain; charset=us-ascii

This message was created automatically by mail delivery software.

  jan@post.example
    host mx.post.example [192.0.2.7]
    SMTP error from remote mail server after RCPT TO:<jan@post.example>:
    552 5.2.2 mailbox is full

--1764234567-eximdsn-123
Content-type: message/delivery-status

Reporting-MTA: dns; exim.example

Action: failed
Final-Recipient: rfc822;jan@post.example
Status: 5.0.0
Remote-MTA: dns; mx.post.example
Diagnostic-Code: smtp; 552 5.2.2 mailbox is full

--1764234567-eximdsn-123
Content-type: message/rfc822

Subject: Uw gegevens zijn gestolen

--1764234567-eximdsn-123--
""")

EXIM_BEFORE = _lines("""
X-Failed-Recipients: jan@post.example
Auto-Submitted: auto-replied
From: Mail Delivery System <Mailer-Daemon@exim.example>
To: retour@ministerie.example
Subject: Mail delivery failed: returning message to sender

This message was created automatically by mail delivery software.

  jan@post.example
    host mx.post.example [192.0.2.7]
    SMTP error from remote mail server after RCPT TO:<jan@post.example>:
    550 5.1.1 no such user
""")

EXCHANGE = _lines("""
From: <postmaster@tenant.example>
To: <retour@ministerie.example>
Content-Type: multipart/report; report-type=delivery-status;
\tboundary="71b9-made-up"
X-MS-Exchange-Message-Is-Ndr:
Content-Language: en-US
Subject: Undeliverable: Uw gegevens zijn gestolen
Auto-Submitted: auto-generated
MIME-Version: 1.0

--71b9-made-up
Content-Type: multipart/alternative; differences=Content-Type;
\tboundary="2bc1-made-up"

--2bc1-made-up
Content-Type: text/plain; charset="us-ascii"

Your message to jan@tenant.example couldn't be delivered.

--2bc1-made-up
Content-Type: text/html; charset="us-ascii"

<html><body>couldn't be delivered</body></html>

--2bc1-made-up--

--71b9-made-up
Content-Type: message/delivery-status

Reporting-MTA: dns;AM0PR07MB1234.eurprd07.prod.tenant.example
Received-From-MTA: dns;mail.example
Arrival-Date: Fri, 27 Nov 2026 09:00:00 +0000

Final-Recipient: rfc822;jan@tenant.example
Action: failed
Status: 5.1.10
Diagnostic-Code: smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; not found by SMTP address lookup

--71b9-made-up
Content-Type: message/rfc822

Subject: Uw gegevens zijn gestolen

--71b9-made-up--
""")

FEEDBACK = _lines("""
From: <abusedesk@provider.example>
To: <retour@ministerie.example>
Subject: FW: Uw gegevens zijn gestolen
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report;
\tboundary="part1_made_up"

--part1_made_up
Content-Type: text/plain; charset="US-ASCII"

This is an email abuse report.

--part1_made_up
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: SomeGenerator/1.0
Version: 1
Original-Mail-From: <ADDRESS>
Arrival-Date: Fri, 27 Nov 2026 10:00:00 +0100

--part1_made_up
Content-Type: message/rfc822

Return-Path: <ADDRESS>
From: <bericht@ministerie.example>
Subject: Uw gegevens zijn gestolen

Geachte heer of mevrouw,

--part1_made_up--
""")

ABSENCE = _lines("""
From: Jan <jan@post.example>
To: retour@ministerie.example
Subject: Afwezig: Uw gegevens zijn gestolen
Auto-Submitted: auto-replied (vacation)
Content-Type: text/plain

Ik ben er niet. 550 5.1.1 zegt niets.
""")


def report_of(status: str, diagnostic: str = "", action: str = "failed") -> bytes:
    """Return Postfix's report with another answer."""
    begin, end = (
        POSTFIX.index(b"Action: failed"),
        POSTFIX.index(b"\r\n\r\n--4Z1/mail.example\r\nContent-Description: U"),
    )
    said = f"Action: {action}\r\nStatus: {status}"
    said += f"\r\nDiagnostic-Code: {diagnostic}" if diagnostic else ""
    return POSTFIX[:begin] + said.encode() + POSTFIX[end:]
