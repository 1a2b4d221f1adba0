"""Explains why a weight file cannot be read, and what the operator can do."""

import errno
import os
import pwd
from pathlib import Path


def explain_unreadable(path: Path, error: OSError) -> str:
    """Return why the weight file cannot be read, and what the operator can do."""
    said = f"{path} cannot be read: {error.strerror or error}"
    if error.errno not in (errno.EACCES, errno.EPERM):
        return said
    culprit = next((each for each in (*reversed(path.parents), path) if not _may_use(each)), path)
    if culprit not in (path, path.parent, path.parent.parent):
        return f"{said}; {_user()} may not enter {culprit}: set model_folder (STREAMSRV_MODEL_FOLDER) to another folder"
    try:
        owner = f"{culprit} belongs to {culprit.owner()}"
    except (OSError, KeyError):
        owner = f"{culprit} belongs to another user"
    return f"{said}; {owner}, and this process runs as {_user()}: chmod -R a+rX {culprit}"


def _may_use(path: Path) -> bool:
    mode = os.X_OK if path.is_dir() else os.R_OK
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return f"user {os.geteuid()}"
