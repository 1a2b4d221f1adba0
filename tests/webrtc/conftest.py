import pytest

pytest.importorskip("aiortc", reason="aiortc is not installed: pip install 'streamsrv[webrtc]'")
