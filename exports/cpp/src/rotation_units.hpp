// Which elements of a feature are a rotation: told by their units. The twin of
// ilrobot/rotation_units.py.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace ilrobot {

// The vector axis times angle in rad, and the quaternion with its real part first or last.
enum class RotationUnit { kRotvec, kQuatWxyz, kQuatXyzw };

struct Rotation {
  std::size_t start;  // index of its first element
  RotationUnit unit;

  std::size_t size() const { return unit == RotationUnit::kRotvec ? 3 : 4; }
  // The first of the three elements that go with x, y and z.
  std::size_t axes() const { return start + (unit == RotationUnit::kQuatWxyz ? 1 : 0); }
};

// The rotations among elements with these units, in order. Throws std::invalid_argument: so many
// elements in a row are no whole number of rotations.
std::vector<Rotation> find_rotations(const std::vector<std::string>& units);

}  // namespace ilrobot
