"""Hands the mails that LocalStack's SES took on to an SMTP server.

LocalStack itself does so in its paid editions only; the free ones keep mails
where GET /_aws/ses tells of them. Runs inside LocalStack's container, with the
Python that is there, until that ends.

Environment:
  SMTP  host:port of the SMTP server
  SES   address of LocalStack (http://127.0.0.1:4566)
"""

import email
import email.message
import email.policy
import email.utils
import json
import os
import smtplib
import time
import urllib.error
import urllib.request

SMTP_HOST, _, SMTP_PORT = os.environ["SMTP"].partition(":")
MAILS = os.environ.get("SES", "http://127.0.0.1:4566") + "/_aws/ses"
EVERY = 1.0  # seconds


def kept():
    """The mails that SES took, oldest first. None before the first: the address
    is there from SES' first call on."""
    try:
        with urllib.request.urlopen(MAILS, timeout=5) as answer:
            return json.load(answer)["messages"]
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return []
        raise


def raw(mail):
    """A mail as it goes over the wire, in bytes, and whom it goes to.

    Of one that SES was given as it is (SendRawEmail), LocalStack keeps nothing but
    that: whom it goes to stands in its headers."""
    if mail.get("RawData"):
        content = mail["RawData"].encode()
        headers = email.message_from_bytes(content)
        to = [value for name in ("To", "Cc", "Bcc") for value in headers.get_all(name, [])]
    else:
        content = message(mail).as_bytes(policy=email.policy.SMTP)
        to = [address for kind in mail["Destination"].values() for address in kind or []]
    return content, [address for _, address in email.utils.getaddresses(to)]


def message(mail):
    """A mail that SES was given in parts (SendEmail)."""
    out = email.message.EmailMessage()
    out["From"] = mail["Source"]
    out["To"] = ", ".join(mail["Destination"]["ToAddresses"])
    out["Subject"] = mail["Subject"]
    out["Date"] = email.utils.localtime()
    out["Message-ID"] = "<%s@email.amazonses.com>" % mail["Id"]
    out.set_content(mail["Body"]["text_part"] or "")
    if mail["Body"].get("html_part"):
        out.add_alternative(mail["Body"]["html_part"], subtype="html")
    return out


def main():
    done = set()
    while True:
        try:
            waiting = [mail for mail in kept() if mail["Id"] not in done]
            if waiting:
                with smtplib.SMTP(SMTP_HOST, int(SMTP_PORT), timeout=5) as server:
                    for mail in waiting:
                        content, to = raw(mail)
                        server.sendmail(email.utils.parseaddr(mail["Source"])[1], to, content)
                        done.add(mail["Id"])
        except (OSError, smtplib.SMTPException) as error:
            print("mail.py:", error, flush=True)
        time.sleep(EVERY)


if __name__ == "__main__":
    main()
