"""ONNX Runtime is found wherever docs/cpp.md says that it may come from.

A program of a few lines takes the place of the library: what is tried is where headers and library
are looked for, and that what was linked is what is loaded. The official archive and the package of
Debian are laid out here from the library of the wheel and the headers of Debian.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import onnxruntime
import pytest

from exports.cpp.building import BUILD, HEADERS, SOURCE

pytestmark = pytest.mark.usefixtures("cpp_library")

CAPI = Path(onnxruntime.__file__).parent / "capi"
PROJECT = """
cmake_minimum_required(VERSION 3.16)
project(version LANGUAGES CXX)
include(${CPP}/cmake/OnnxRuntime.cmake)
add_executable(version version.cpp)
target_link_libraries(version PRIVATE onnxruntime_of_ilrobot)
"""
PROGRAM = """
#include <cstdio>
#include <onnxruntime_c_api.h>
int main() { std::puts(OrtGetApiBase()->GetVersionString()); }
"""


def lay_out(headers: Path, library: Path) -> None:
    """Headers and library as they are unpacked: a file by its version, and the usual two links."""
    shutil.copytree(HEADERS / "usr" / "include" / "onnxruntime", headers)
    library.mkdir(parents=True)
    (shipped,) = CAPI.glob("libonnxruntime.so.*")
    (library / shipped.name).symlink_to(shipped)
    (library / "libonnxruntime.so.1").symlink_to(shipped.name)
    (library / "libonnxruntime.so").symlink_to("libonnxruntime.so.1")


def archive(root: Path) -> list[str]:
    lay_out(root / "include", root / "lib")
    return ["-DILROBOT_ONNXRUNTIME=archive", f"-DILROBOT_ONNXRUNTIME_ROOT={root}"]


def system(root: Path) -> list[str]:
    lay_out(root / "usr" / "include" / "onnxruntime", root / "usr" / "lib")
    return ["-DILROBOT_ONNXRUNTIME=system", f"-DCMAKE_PREFIX_PATH={root / 'usr'}"]


def wheel(root: Path) -> list[str]:
    places = [f"-DILROBOT_ONNXRUNTIME_ROOT={CAPI}", f"-DILROBOT_ONNXRUNTIME_HEADERS={HEADERS}"]
    return ["-DILROBOT_ONNXRUNTIME=wheel", *places]


def configured(folder: Path, options: list[str]) -> subprocess.CompletedProcess[str]:
    (folder / "CMakeLists.txt").write_text(PROJECT)
    (folder / "version.cpp").write_text(PROGRAM)
    command = ["cmake", "-S", folder, "-B", folder / "build", f"-DCPP={SOURCE}", *options]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.parametrize("source", [archive, system, wheel])
def test_the_library_that_was_found_is_the_one_that_runs(tmp_path, source):
    done = configured(tmp_path, source(tmp_path / "onnxruntime"))
    assert done.returncode == 0, done.stderr
    subprocess.run(["cmake", "--build", tmp_path / "build"], check=True, capture_output=True)
    said = subprocess.run([tmp_path / "build" / "version"], capture_output=True, text=True)
    assert said.stdout.strip() == onnxruntime.__version__


def test_what_is_installed_can_be_taken_elsewhere(tmp_path):
    """The library loads with what lies beside it, whatever becomes of the build."""
    install = ["cmake", "--install", BUILD, "--prefix", tmp_path / "installed"]
    subprocess.run(install, check=True, capture_output=True)
    (tmp_path / "installed").rename(tmp_path / "robot")
    library = tmp_path / "robot" / "lib" / "libilrobot.so"
    found = subprocess.run(["ldd", library], check=True, capture_output=True, text=True).stdout
    assert f"libonnxruntime.so.1 => {tmp_path}/robot/lib/libonnxruntime.so.1" in found
    assert "not found" not in found
    assert (tmp_path / "robot" / "include" / "ilrobot.h").exists()


@pytest.mark.parametrize(
    ("options", "cure"),
    [
        (["-DILROBOT_ONNXRUNTIME=archive"], "set ILROBOT_ONNXRUNTIME_ROOT to the folder"),
        (["-DILROBOT_ONNXRUNTIME=wheel"], "ILROBOT_ONNXRUNTIME_HEADERS to where fetch_headers.sh"),
        (["-DILROBOT_ONNXRUNTIME=conda"], "take system, wheel or archive"),
    ],
)
def test_where_it_is_not_found_cmake_says_what_to_do(tmp_path, options, cure):
    done = configured(tmp_path, options)
    assert done.returncode != 0
    assert cure in " ".join(done.stderr.split())
