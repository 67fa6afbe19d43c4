#!/bin/sh
# LocalStack runs this once it is ready.
set -eu

# MailIdentity of template.yaml. LocalStack says of every sender that it is
# verified, so `fotograma up` does not ask for it, but takes no mail of one that
# was never asked for.
awslocal ses verify-email-identity --email-address no-reply@fotograma.example

nohup python3 /etc/fotograma/mail.py >/tmp/mail.log 2>&1 &
