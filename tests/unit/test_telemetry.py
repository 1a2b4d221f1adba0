"""The telemetry of other packages is off before any of them is imported."""

import os
import subprocess
import sys

import pytest

from streamsrv.telemetry import OFF, turn_off


@pytest.mark.parametrize("module", ["streamsrv", "streamsrv.media.worker", "streamsrv.inference.onnx", "streamsrv.cli"])
def test_importing_any_module_turns_telemetry_off_before_it_imports_others(module: str):
    environment = {name: value for name, value in os.environ.items() if name not in OFF}
    code = f"""
import sys
class Watch:
    def find_spec(self, name, path=None, target=None):
        import os
        if name in ("onnxruntime", "huggingface_hub", "av", "aiortc", "typer"):
            assert os.environ["ORT_DISABLE_TELEMETRY"] == os.environ["HF_HUB_DISABLE_TELEMETRY"] == "1", name
sys.meta_path.insert(0, Watch())
import {module}, os
print(os.environ["ORT_DISABLE_TELEMETRY"])
"""
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "1\n", done.stderr


def test_what_the_user_has_decided_stays():
    environment = {"ORT_DISABLE_TELEMETRY": "0"}
    turn_off(environment)
    assert environment == {**OFF, "ORT_DISABLE_TELEMETRY": "0"}
