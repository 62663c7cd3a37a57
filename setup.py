"""Installs the packages `kuzushiji` and `detection` with all their subpackages and data files."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent


def requirements() -> list[str]:
    """Return the lines of requirements.txt without comments."""
    lines = (
        line.split("#")[0].strip() for line in (HERE / "requirements.txt").read_text(encoding="utf-8").splitlines()
    )
    return [line for line in lines if line]


def version() -> str:
    """Return `__version__` of the package, without importing it."""
    found = re.search(r'^__version__ = "(.+)"$', (HERE / "kuzushiji" / "__init__.py").read_text(encoding="utf-8"), re.M)
    assert found is not None
    return found[1]


setup(
    name="kuzushiji",
    version=version(),
    description="A pipeline that reads old Japanese books: segmentation, classification, pseudolabels, second level",
    long_description=(HERE / "README.rst").read_text(encoding="utf-8"),
    long_description_content_type="text/x-rst",
    license="MIT",
    license_files=["LICENSE"],
    python_requires=">=3.10",
    packages=find_packages(include=["kuzushiji", "kuzushiji.*", "detection", "detection.*"]),
    package_data={
        "kuzushiji": [
            "demo/texts/*.txt",
            "demo/passages.txt",
            "weights/**",
            "predict/formats/*.json",
            "report/templates/*",
            "viewer/templates/*",
            "viewer/assets/*",
            "py.typed",
        ],  # fmt: skip
        "detection": ["py.typed"],
    },
    entry_points={"console_scripts": ["kuzushiji = kuzushiji.__main__:program"]},
    install_requires=requirements(),
    extras_require={
        "tensorboard": ["tensorboard>=2.16,<3"],
        "ray": ["ray>=2.9,<3"],  # predict --engine ray
    },
)
