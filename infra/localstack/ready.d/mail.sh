#!/bin/sh
# LocalStack runs this once it is ready.
nohup python3 /etc/fotograma/mail.py >/tmp/mail.log 2>&1 &
