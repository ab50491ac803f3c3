"""The controller of docs/cpp.md for ros2_control, compiled as it stands there and run."""

from __future__ import annotations

import json
import math
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from exports.cpp.building import BUILD, SANITIZED, SOURCE, built
from ilrobot.control.contract_parts import Limits
from tests.exports.identity import identity_policy

pytestmark = pytest.mark.usefixtures("cpp_library")

RATE, PLACE = 100.0, 0.3
LIMITS = Limits(("absolute",) * 2, (-1.0,) * 2, (1.0,) * 2, (0.5,) * 2, (5.0,) * 2)
#: Of ros2_control and rclcpp, what the controller speaks to.
STAND_INS = """
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <optional>
#include <string>
#include <vector>
#include "ilrobot.h"

struct State {};
struct Time {
  double value;
  double seconds() const { return value; }
};
using Duration = Time;
enum class CallbackReturn { SUCCESS, ERROR };
enum class return_type { OK, ERROR };
struct Interface {
  double value = std::numeric_limits<double>::quiet_NaN();
  bool busy = false;
  [[nodiscard]] std::optional<double> get_optional() const {
    return busy ? std::nullopt : std::optional<double>(value);
  }
  [[nodiscard]] bool set_value(double given) { return !busy && (value = given, true); }
};
struct Node {
  int get_logger() const { return 0; }
  Time now() const { return {0.0}; }
};
#define RCLCPP_ERROR(logger, ...) ((void)(logger), std::fprintf(stderr, __VA_ARGS__))

class PolicyController {
 public:
  CallbackReturn on_configure(const State&);
  CallbackReturn on_activate(const State&);
  return_type update(const Time& time, const Duration& period);
  ~PolicyController() { ilr_free(policy_); }

  std::string path_;
  std::vector<Interface> state_interfaces_ = std::vector<Interface>(2);
  std::vector<Interface> command_interfaces_ = std::vector<Interface>(2);
  const ilr_controller* policy() const { return policy_; }

 private:
  bool read();
  const Node* get_node() const { return &node_; }

  Node node_;
  ilr_controller* policy_ = nullptr;
  std::vector<const char*> joints_{"shoulder", "elbow"};
  std::vector<float> state_ = std::vector<float>(2);
  std::vector<double> command_ = std::vector<double>(2);
  char error_[500];
};
"""
#: PLACE or nan, and of which tick on its interfaces cannot be read, or written to.
PROGRAM = """
int main(int, char** words) {
  PolicyController controller;
  controller.path_ = words[1];
  for (Interface& joint : controller.state_interfaces_) joint.value = std::atof(words[2]);
  const int silent = std::atoi(words[3]), deaf = std::atoi(words[4]);
  if (controller.on_configure({}) != CallbackReturn::SUCCESS) return 2;
  if (controller.on_activate({}) != CallbackReturn::SUCCESS) return 3;
  std::printf("[[");
  int tick = 0;
  for (; tick < 200; ++tick) {
    for (Interface& joint : controller.state_interfaces_) joint.busy = tick >= silent;
    controller.command_interfaces_[1].busy = tick >= deaf;
    if (controller.update({0.01 * tick}, {0.01}) != return_type::OK) break;
    std::printf("%s%.17g", tick ? ", " : "", controller.command_interfaces_[0].value);
    for (Interface& joint : controller.state_interfaces_) {
      joint.value = controller.command_interfaces_[0].value;
    }
  }
  std::printf("], %d, {", tick);
  for (size_t i = 0; i < ilr_activation_count(); ++i) {
    std::printf("%s\\"%s\\": %d", i ? ", " : "", ilr_activation_name(i),
                static_cast<int>(ilr_activation_ticks(controller.policy(), i)));
  }
  std::puts("}]");
}
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """The text between the fences, behind the stand-ins and before a program that calls it."""
    page = (Path(__file__).parents[2] / "docs" / "cpp.md").read_text()
    (text,) = (b for b in re.findall(r"```cpp\n(.*?)```", page, re.S) if "on_activate" in b)
    source = tmp_path_factory.mktemp("ros2_control") / "controller.cpp"
    source.write_text(STAND_INS + text + PROGRAM)
    library = built()
    sanitizers = ["-fsanitize=address,undefined"] if SANITIZED else []
    command = ["g++", "-std=c++17", "-Wall", "-Wextra", "-Werror", f"-I{SOURCE / 'include'}"]
    command += [*sanitizers, source, library, f"-Wl,-rpath,{BUILD}:{BUILD / 'onnxruntime'}"]
    done = subprocess.run([*command, "-o", source.with_suffix("")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return source.with_suffix("")


@pytest.fixture
def policy(tmp_path):
    """Each joint is sent to the cosine of where it is."""
    identity_policy(tmp_path / "policy.onnx", LIMITS, rate=RATE, operator="Cos")
    return tmp_path / "policy.onnx"


def run(program, policy, place=PLACE, silent=1000, deaf=1000):
    words = [str(word) for word in (program, policy, place, silent, deaf)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    return done.returncode, json.loads(done.stdout) if done.returncode == 0 else done.stderr


def test_it_begins_where_the_arm_is_and_moves_it_within_the_limits(program, policy):
    code, (commands, ticks, counts) = run(program, policy)
    assert (code, ticks) == (0, 200)
    assert commands[0] == pytest.approx(PLACE, abs=1e-3)
    assert commands[-1] == pytest.approx(0.739, abs=0.02)
    assert np.abs(np.diff(commands)).max() <= 0.5 / RATE * (1 + 1e-9)
    assert counts["fallback"] == 0


def test_from_a_position_that_is_no_number_nothing_begins(program, policy):
    code, said = run(program, policy, place=math.nan)
    assert code == 3
    assert said == "present of action element 0 is not a finite number; no episode begins"


def test_a_joint_that_says_nothing_any_more_makes_it_hold(program, policy):
    code, (commands, ticks, counts) = run(program, policy, silent=50)
    assert (code, ticks) == (0, 200)
    assert counts["observation_stale"] == counts["fallback"] > 140
    assert commands[-1] == commands[-50]


def test_an_interface_that_takes_no_command_is_an_error(program, policy):
    assert run(program, policy, deaf=50)[1][1] == 50


def test_a_file_that_is_none_is_told_at_once(program, tmp_path):
    code, said = run(program, tmp_path / "none.onnx")
    assert code == 2
    assert "none.onnx cannot be read" in said
