#include "rotation_units.hpp"

#include <stdexcept>

namespace ilrobot {

std::vector<Rotation> find_rotations(const std::vector<std::string>& units) {
  std::vector<Rotation> found;
  for (std::size_t start = 0, end = 0; start < units.size(); start = end) {
    const std::string& unit = units[start];
    while (end < units.size() && units[end] == unit) ++end;
    Rotation rotation{start, RotationUnit::kRotvec};
    if (unit == "quat_wxyz") {
      rotation.unit = RotationUnit::kQuatWxyz;
    } else if (unit == "quat_xyzw") {
      rotation.unit = RotationUnit::kQuatXyzw;
    } else if (unit != "rotvec") {
      continue;
    }
    if ((end - start) % rotation.size() != 0) {
      throw std::invalid_argument(std::to_string(end - start) + " elements in a row of unit '" +
                                  unit + "', of which " + std::to_string(rotation.size()) +
                                  " are a rotation");
    }
    for (; rotation.start < end; rotation.start += rotation.size()) found.push_back(rotation);
  }
  return found;
}

}  // namespace ilrobot
