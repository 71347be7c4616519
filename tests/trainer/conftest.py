"""The trainer's tests; most need no server. ROOST_TRAINER_BUILD is the build's folder src/trainer; tests of what is not
built there are skipped and say so."""

import os
import pathlib

PROGRAMS = {
    "ROOST_TRAINER": "program/roost-trainer",
    "ROOST_IMAGES_PROBE": "images/images_probe",
    "ROOST_STATE_PROBE": "state/state_probe",
    "ROOST_ONNX_PROBE": "onnx/onnx_probe",
    "ROOST_MODELS_PROBE": "models/models_probe",
    "ROOST_SCALER_PROBE": "train/scaler_probe",
}


def pytest_configure(config):
    build = os.environ.get("ROOST_TRAINER_BUILD")
    for variable, program in PROGRAMS.items():
        if build and pathlib.Path(build, program).exists():
            os.environ.setdefault(variable, str(pathlib.Path(build, program).resolve()))
