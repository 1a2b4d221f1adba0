"""The process that holds the SIP stack: signalling, RTP and codecs of telephone calls over SIP."""
