"""Installs `azureml` beside, not into, a package of that name: the files of an azureml-core that is there stay its own.

Ours lie in the folder roost_azureml, which a .pth file puts behind everything else on the module path, so that the other one is
found first. `python -m roost which` says which it is.
"""

import pathlib

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = pathlib.Path(__file__).resolve().parent
FOLDER = "roost_azureml"


class BuildWithPath(build_py):
    def _path_file(self) -> pathlib.Path:
        return pathlib.Path(self.build_lib, f"{FOLDER}.pth")

    def run(self):
        super().run()
        self._path_file().write_text(FOLDER + "\n")

    def get_outputs(self, include_bytecode=1):
        return [*super().get_outputs(include_bytecode), str(self._path_file())]


def packages(top: str) -> list:
    return [".".join(file.parent.relative_to(HERE).parts) for file in sorted((HERE / top).rglob("__init__.py"))]


setup(
    packages=[*packages("roost"), *(f"{FOLDER}.{name}" for name in packages("azureml"))],
    package_dir={f"{FOLDER}.azureml": "azureml"},
    package_data={"roost": ["py.typed"], f"{FOLDER}.azureml": ["py.typed"]},  # the annotations are for type checkers too
    cmdclass={"build_py": BuildWithPath},
)
