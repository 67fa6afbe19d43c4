"""moto's server, which also tells of the mails that its SES took: at GET /_aws/ses,
as LocalStack does.

Usage: server.py HOST:PORT
"""

import json
import signal
import sys

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.ses.models import RawMessage, ses_backends
from werkzeug.serving import make_server


def mails():
    """All mails of all accounts and regions, oldest first of each region."""
    for account in ses_backends.values():
        for region, backend in account.items():
            for mail in backend.sent_messages:
                yield told(region, mail)


def told(region, mail):
    out = {"Id": mail.id, "Region": region, "Source": mail.source}
    if isinstance(mail, RawMessage):
        return out | {"RawData": mail.raw_data}
    # moto keeps one part of a mail and does not say which.
    return out | {
        "Destination": mail.destinations,
        "Subject": mail.subject,
        "Body": {"text_part": mail.body, "html_part": mail.body},
    }


class Application:
    def __init__(self):
        self.moto = DomainDispatcherApplication(create_backend_app)

    def __call__(self, environ, start_response):
        if environ["PATH_INFO"] != "/_aws/ses":
            return self.moto(environ, start_response)
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps({"messages": list(mails())}).encode()]


def main():
    host, _, port = sys.argv[1].rpartition(":")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    make_server(host, int(port), Application(), threaded=True).serve_forever()


if __name__ == "__main__":
    main()
