"""Telephone calls over SIP: the server's end; `streamsrv.sip` is the process that holds the stack."""
