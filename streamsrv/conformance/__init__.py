"""Conformance checks for any server of the OpenAI Realtime protocol: `streamsrv conformance URL`."""
