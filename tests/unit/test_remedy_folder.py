"""What is said of missing weights: where they were looked for, because the folder may be the mistake."""

from pathlib import Path

from streamsrv.engines.readiness.needs import Need
from streamsrv.engines.readiness.remedy import explain


def test_the_folder_of_missing_weights_is_named():
    lacking = {name: [Need("weights", "", model=name, size=1_000_000)] for name in ("ear", "voice")}
    said = explain(lacking, Path("/srv/weights"), unpulled=["ear"])
    assert (
        said == "weights are missing for ear, voice in /srv/weights. Run: streamsrv pull ear voice  (2.0 MB of weights)"
    )


def test_no_folder_is_named_where_only_a_package_is_missing():
    lacking = {"ear": [Need("package", "", packages=("streamsrv[speech]",))]}
    said = explain(lacking, Path("/srv/weights"))
    assert said == "packages are missing for ear. Run: pip install 'streamsrv[speech]'"
