"""Every environment variable that Heraut reads, with its meaning, and which processes get it.

Any other `HERAUT_*` name is an error.
"""

from collections.abc import Mapping
from types import MappingProxyType

from services.core.channel import Channel
from services.core.keys import KEYS_OF
from services.core.rooms import ROOMS, STAGES, dispatch_stage

__all__ = ["ENVIRONMENT", "RECEIVERS", "is_for", "is_known"]

ENVIRONMENT: Mapping[str, str] = MappingProxyType(
    {
        "HERAUT_LOG": "postgres (the embedded log) or kafka",
        "HERAUT_KAFKA_BOOTSTRAP_SERVERS": "host:port of the brokers, comma-separated",
        "HERAUT_KAFKA_SECURITY_PROTOCOL": "PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL",
        "HERAUT_KAFKA_SASL_MECHANISM": "PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512",
        "HERAUT_KAFKA_SASL_USERNAME": "user at the brokers",
        "HERAUT_KAFKA_SASL_PASSWORD": "its password",
        **{
            name: meaning
            for room in ROOMS
            for name, meaning in (
                (f"HERAUT_KAFKA_SASL_USERNAME_{room.upper()}", f"user of {room} alone at the brokers"),
                (f"HERAUT_KAFKA_SASL_PASSWORD_{room.upper()}", "its password"),
            )
        },
        "HERAUT_KAFKA_SSL_CAFILE": "certificates to trust",
        "HERAUT_KAFKA_SSL_CERTFILE": "certificate of this client",
        "HERAUT_KAFKA_SSL_KEYFILE": "key of this client",
        "HERAUT_KAFKA_REPLICATION": "copies of each topic partition that `heraut topics` asks for",
        "HERAUT_DATABASE_URL": "PostgreSQL, logged in as the owner: for commands, never for a service; unset = the"
        " embedded server of the data directory",
        **{
            f"HERAUT_DATABASE_URL_{room.upper()}": f"PostgreSQL, logged in as {room} alone; unset = as `heraut migrate`"
            f" wrote to `logins/{room}.url` in the data directory"
            for room in ROOMS
        },
        "HERAUT_DATA_DIR": "where the embedded database, logins, principals, tokens, print folder and logs live",
        "HERAUT_HTTP_HOST": "address to listen at",
        "HERAUT_HTTP_PORT": "port to listen at; 0 = any free one",
        "HERAUT_METRICS_HOST": "address of a bind of its own for metrics and probes, where nobody is asked for a token",
        "HERAUT_METRICS_PORT": "its port; unset = metrics at the other port alone, for the role scrape",
        "HERAUT_TLS_CERT": "certificate that the services show at both, PEM; the command line trusts this one alone",
        "HERAUT_TLS_KEY": "its key, for the services; all certificates are read again when they change",
        "HERAUT_TLS_CLIENT_CA": "who signs the certificates of callers, PEM; unset = no caller is asked for one",
        "HERAUT_TLS_CLIENTS": "whether callers may (optional) or must (required) show one; probes need none",
        "HERAUT_CLIENT_CERT": "certificate that the command line shows to the services, PEM",
        "HERAUT_CLIENT_KEY": "its key",
        "HERAUT_PARTITIONS": "partitions of each topic; fixed at the first start, another number later is an error",
        "HERAUT_KEYS_DIR": "the keys, one file a purpose; unset = the folder `<data directory>-keys` beside it",
        "HERAUT_PRINCIPALS_FILE": "who may do what: names, roles, hashes of tokens; `heraut principal` changes it;"
        " unset = `principals.json` in the data directory",
        "HERAUT_AUTH_AUDIENCE": "what the audience of a JWT must be to be meant for this installation",
        "HERAUT_AUTH_OIDC_ISSUER": "the identity provider of people (OpenID Connect); unset = tokens alone",
        "HERAUT_AUTH_OIDC_JWKS_URL": "where its keys are; unset = where its discovery document says",
        "HERAUT_AUTH_ALGORITHMS": "algorithms of signatures that are taken, comma-separated",
        "HERAUT_TOKEN": "the bearer token that the command line shows to the services",
        "HERAUT_PRINT_DIR": "where print batches are put; unset = `print` in the data directory",
        "HERAUT_PRINT_GROUP": "group that may read the print folder and what is in it; unset = its owner alone",
        "HERAUT_PRINT_PROFILE": "what the print house asks: nl-dl-left (as unset), notifynl, pingen, or a file",
        "HERAUT_PRINT_CLOSE_AFTER": "a print job is closed when its day is over, or nothing was added for so long: 1h",
        "HERAUT_PRINT_SFTP_URL": "where print files are sent to; unset = they stay in the print folder, to be fetched",
        "HERAUT_PRINT_SFTP_KEY": "file of the private key that the print house knows us by, OpenSSH's form",
        "HERAUT_PRINT_SFTP_HOST_KEY": "the print house's public host key: no other server is sent to",
        "HERAUT_PRINT_SFTP_ANSWERS": "folder there that the print house answers in: below that of the URL, or from /",
        "HERAUT_PRINT_KEEP": "how long print files stay here once the print house has acknowledged them",
        "HERAUT_PRINT_AGE_RECIPIENT": "public key of age that print files are encrypted to before they are sent",
        "HERAUT_LETTER_FORMAT": "pdf, or ndjson for print houses that compose themselves; unset = as the profile says",
        "HERAUT_SMTP_URL": "smtp://[user:password@]host:port, smtps:// for TLS from the start",
        "HERAUT_EMAIL_PROVIDER": "who is given e-mails: smtp, a mail server; mail-api, a provider over HTTP; notify",
        "HERAUT_LETTER_PROVIDER": "who is given letters: print, a print house; notify, each as a PDF of its own",
        "HERAUT_LETTER_PER_SECOND": "most letters over Notify in any second, all replicas together; unset = no cap",
        "HERAUT_LETTER_PER_MINUTE": "most letters over Notify in any minute, all replicas together; unset = no cap",
        "HERAUT_LETTER_PER_DAY": "most letters over Notify on a day from midnight UTC, all replicas together;"
        " unset = no cap",
        "HERAUT_NOTIFY_URL": "base address of GOV.UK Notify or NotifyNL",
        "HERAUT_NOTIFY_KEY": "API key that it knows us by; a file is read again when it changes",
        "HERAUT_NOTIFY_TEMPLATE": "id of the e-mail template there: its subject is ((subject)), its body ((body))",
        "HERAUT_NOTIFY_CALLBACK_TOKEN": "bearer token that Notify shows where it tells of deliveries; unset = none",
        "HERAUT_NOTIFY_REPLY_TO": "id of the address there to which readers answer",
        "HERAUT_MAIL_FROM": "address that e-mails come from, with the controller's name; unset = the controller's",
        "HERAUT_MAIL_SELECTORS": "selectors of the DKIM keys that e-mails are signed with, for `heraut doctor`",
        "HERAUT_DNS_SERVERS": "servers that `heraut doctor` asks, address[:port]; unset = those of this machine",
        "HERAUT_MAIL_API_URL": "base address of a mail provider's HTTP interface, in the shape of Postmark's",
        "HERAUT_MAIL_API_TOKEN": "token that it knows us by; a file is read again when it changes",
        "HERAUT_MAIL_API_STREAM": "the kind of mail that ours is there",
        "HERAUT_SMTP_REPLIES": "address to which readers of e-mails answer; unset = the controller's",
        "HERAUT_SMTP_BOUNCES": "mailbox to which undeliverable e-mails go back, each under an address of its own",
        "HERAUT_SMTP_CA": "who signed the mail server's certificate, PEM; unset = those whom this machine trusts",
        "HERAUT_BOUNCES_LISTEN": "where to listen for mails that come back, over SMTP; unset = nowhere",
        "HERAUT_SMTP_OWN_NAME": "name by which Heraut greets the mail server; unset = none",
        "HERAUT_SMTP_CONNECTIONS": "connections of each replica to the mail server; fewer where it wants fewer",
        "HERAUT_SMTP_MAILS_A_CONNECTION": "mails after which a connection is ended; unset = the mail server ends it",
        "HERAUT_SMTP_DOMAINS": "what receiving domains are sent, mails at once and a second, all replicas together;"
        " unset = as much as they take",
        "HERAUT_EMAIL_PER_SECOND": "most e-mails in any second, all replicas together; unset = as many as it takes",
        "HERAUT_EMAIL_PER_MINUTE": "most e-mails in any minute, all replicas together; unset = as many as it takes",
        "HERAUT_EMAIL_PER_DAY": "most e-mails on a day from midnight UTC, all replicas together; unset = no cap",
        "HERAUT_PORTAL_URL": "base address of the portal's API",
        "HERAUT_PORTAL_TOKEN": "bearer token that the portal knows us by; a file is read again when it changes",
        "HERAUT_PORTAL_OAUTH_URL": "where tokens for the portal are got (OAuth 2.0 client credentials, RFC 6749, 4.4)",
        "HERAUT_PORTAL_OAUTH_CLIENT": "who we are there",
        "HERAUT_PORTAL_OAUTH_SECRET": "our password there; unset = by our certificate alone",
        "HERAUT_PORTAL_OAUTH_SCOPE": "what the tokens are to be good for, with spaces between the words",
        "HERAUT_PORTAL_CERT": "certificate that the portal, and who gives its tokens, know us by, PEM",
        "HERAUT_PORTAL_KEY": "its key",
        "HERAUT_PORTAL_CA": "who signed their certificates, PEM; unset = those whom this machine trusts",
        "HERAUT_PORTAL_OIN": "our OIN, where the portal is a message store of the Federatief Berichtenstelsel (FBS)",
        "HERAUT_PORTAL_PER_SECOND": "most messages in any second, all replicas together; unset = as many as it takes",
        "HERAUT_PORTAL_PER_MINUTE": "most messages in any minute, all replicas together; unset = as many as it takes",
        "HERAUT_PORTAL_PER_DAY": "most messages on a day from midnight UTC, all replicas together; unset = no cap",
        "HERAUT_ALLOW_PLAINTEXT": "peers beyond this machine that need no TLS: smtp, postgres, kafka, portal, http,"
        " otlp",
        "HERAUT_TRUSTED_PROXIES": "networks of reverse proxies whose X-Forwarded-For says who verifies a letter",
        "HERAUT_WEBHOOKS_DIR": "providers that sign their receipts, a file `<provider>.json` each; unset = none does",
        "HERAUT_UNKNOWN_AFTER": "how long an unknown e-mail outcome waits before the letter: 72h, 30m, 90s",
        "HERAUT_REFUSED_AFTER": "how long a refusal may be taken back before the next channel is tried: 60s",
        "HERAUT_DRAIN_TIMEOUT": "how long a service may finish its work after SIGTERM, in seconds",
        "HERAUT_LEASE": "how long a silent process keeps its partitions, in seconds",
        "HERAUT_LOG_RETENTION": "how long blocks that everybody read are kept: 7d, 12h",
        "HERAUT_SYNTHETIC_EVERY": "how often a synthetic person, who is nobody, goes through all rooms: 1m;"
        " unset = never",
        "HERAUT_SYNTHETIC_CHANNELS": "channels that it goes to in turn: those that have a process; unset = all",
        "HERAUT_SYNTHETIC_LOST_AFTER": "how long it may take before it counts as lost: 5m",
        "HERAUT_HELPDESK": "whom users of the HTTP interface can ask, for `/openapi.json`; unset = nobody is named",
        "HERAUT_OTLP_URL": "base address of a collector of traces (OTLP over HTTP), such as http://127.0.0.1:4318; it"
        " needs the extra `heraut[otel]`; unset = nothing is traced",
        "HERAUT_OTLP_CA": "who signed the collector's certificate, PEM; unset = those whom this machine trusts",
        "HERAUT_LOG_LEVEL": "debug, info, warning or error",
    }
)

_SECRETS = frozenset(
    {
        "HERAUT_TOKEN",
        "HERAUT_SMTP_URL",
        "HERAUT_MAIL_API_TOKEN",
        "HERAUT_NOTIFY_KEY",
        "HERAUT_NOTIFY_CALLBACK_TOKEN",
        "HERAUT_PORTAL_TOKEN",
        "HERAUT_PORTAL_OAUTH_SECRET",
    }
    | {name for name in ENVIRONMENT if name.startswith("HERAUT_KAFKA_SASL_PASSWORD")}
    | {name for name in ENVIRONMENT if name.startswith("HERAUT_DATABASE_URL")}
)

# What is for some stages alone, or for none: a process gets its own secrets and no other's. The rest is for all.
RECEIVERS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        **dict.fromkeys(
            ("HERAUT_TOKEN", "HERAUT_CLIENT_CERT", "HERAUT_CLIENT_KEY", "HERAUT_DNS_SERVERS", "HERAUT_MAIL_SELECTORS"),
            frozenset(),
        ),  # of who runs commands
        "HERAUT_DATABASE_URL": frozenset(),
        "HERAUT_KAFKA_REPLICATION": frozenset(),  # `heraut topics` asks for it
        **{
            f"{name}_{room.upper()}": frozenset(stage for stage, of in STAGES.items() if of == room)
            for name in ("HERAUT_DATABASE_URL", "HERAUT_KAFKA_SASL_USERNAME", "HERAUT_KAFKA_SASL_PASSWORD")
            for room in ROOMS
        },
        "HERAUT_KEYS_DIR": frozenset(stage for stage, room in STAGES.items() if KEYS_OF[room]),
        **{name: frozenset({"intake"}) for name in ENVIRONMENT if name.startswith("HERAUT_SYNTHETIC_")},
        **dict.fromkeys(("HERAUT_TRUSTED_PROXIES", "HERAUT_WEBHOOKS_DIR"), frozenset({"tracking"})),
        **{
            name: frozenset({dispatch_stage(Channel.EMAIL)})
            for name in ENVIRONMENT
            if name == "HERAUT_SMTP_URL" or name.startswith("HERAUT_MAIL_API_")
        },
        **{
            name: frozenset({dispatch_stage(Channel.EMAIL), dispatch_stage(Channel.LETTER)})
            for name in ENVIRONMENT
            if name.startswith("HERAUT_NOTIFY_")
        },
        **{
            name: frozenset({dispatch_stage(Channel.PORTAL)})
            for name in ENVIRONMENT
            if name.startswith("HERAUT_PORTAL_")
        },
    }
)


def is_for(name: str, stage: str) -> bool:
    """Tell whether the process of a stage gets this variable, or `<name>_FILE` of a secret."""
    plain = name if name in ENVIRONMENT else name.removesuffix("_FILE")
    return plain not in RECEIVERS or stage in RECEIVERS[plain]


def is_known(name: str) -> bool:
    """Tell whether Heraut reads this variable; a secret may also be given as `<name>_FILE`."""
    return name in ENVIRONMENT or (name.endswith("_FILE") and name.removesuffix("_FILE") in _SECRETS)
