#include "contract.hpp"

#include <algorithm>
#include <cmath>

namespace ilrobot {

namespace {

constexpr double kWidest = 10.0;  // as in ilrobot/control/contract.py

std::string other_size(const Feature* ours, const std::string& feature, std::size_t count) {
  if (ours == nullptr) return "the policy has no '" + feature + "'";
  if (count == ours->size) return {};
  return "'" + feature + "' has " + std::to_string(ours->size) + " elements in the policy but " +
         std::to_string(count) + " on the robot";
}

std::string differs(const std::string& feature, std::size_t element, const char* is,
                    const std::string& ours, const std::string& its) {
  return "element " + std::to_string(element) + " of '" + feature + "' " + is + " '" + ours +
         "' in the policy but '" + its + "' on the robot";
}

}  // namespace

std::size_t size_of(const Shape& shape) {
  std::size_t size = 1;
  for (const std::size_t length : shape) size *= length;
  return size;
}

std::vector<double> Contract::scale() const {
  std::vector<double> result(action.size, 1.0);
  for (std::size_t i = 0; limits && i < result.size(); ++i) {
    double span = limits->high[i] - limits->low[i];
    if (action_range) {
      const double low = action_range->low[i], high = action_range->high[i];
      const double size = std::max({std::abs(low), std::abs(high), high - low});
      if (!std::isfinite(span)) {
        span = high - low;
      } else if (size > 0) {
        span = std::min(span, kWidest * size);
      }
    }
    if (std::isfinite(span) && span > 0) result[i] = span;
  }
  return result;
}

std::vector<Rotation> Contract::target_rotations() const {
  std::vector<Rotation> result;
  for (const Rotation& rotation : action.rotations) {
    if (limits && limits->absolute[rotation.start]) result.push_back(rotation);
  }
  return result;
}

std::string Contract::differing(const std::string& feature, const char* const* names,
                                std::size_t count) const {
  const Feature* ours = find(feature);
  if (std::string problem = other_size(ours, feature, count); !problem.empty()) return problem;
  for (std::size_t i = 0; i < ours->names.size(); ++i) {
    if (ours->names[i] != names[i]) return differs(feature, i, "is", ours->names[i], names[i]);
  }
  return {};
}

std::string Contract::differing_units(const std::string& feature, const char* const* units,
                                      std::size_t count) const {
  const Feature* ours = find(feature);
  if (std::string problem = other_size(ours, feature, count); !problem.empty()) return problem;
  for (std::size_t i = 0; i < ours->units.size(); ++i) {
    const std::string &mine = ours->units[i], its = units[i];
    if (!mine.empty() && !its.empty() && mine != its) {
      return differs(feature, i, "is in", mine, its);
    }
  }
  return {};
}

const Feature* Contract::find(const std::string& feature) const {
  const Feature* found = feature == action.name ? &action : nullptr;
  for (const Feature& observation : observations) {
    if (observation.name == feature) found = &observation;
  }
  return found;
}

}  // namespace ilrobot
