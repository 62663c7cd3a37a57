"""Installs the packages `kuzushiji` and `detection` with all their subpackages and data files."""

from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent


def requirements() -> list[str]:
    """Return the lines of requirements.txt without comments."""
    lines = (
        line.split("#")[0].strip() for line in (HERE / "requirements.txt").read_text(encoding="utf-8").splitlines()
    )
    return [line for line in lines if line]


setup(
    name="kuzushiji",
    version="0.1.0",
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
            "weights/*",
            "report/templates/*",
            "viewer/templates/*",
            "viewer/assets/*",
            "py.typed",
        ],  # fmt: skip
        "detection": ["py.typed"],
    },
    install_requires=requirements(),
    extras_require={
        "tensorboard": ["tensorboard>=2.16,<3"],
        "onnx": ["onnx>=1.17,<2", "onnxruntime>=1.20,<2"],  # python -m kuzushiji.export --onnx
    },
)
