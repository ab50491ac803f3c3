#include <algorithm>
#include <cmath>

#include "contract.hpp"
#include "refused.hpp"
#include "turns.hpp"

namespace ilrobot {
namespace {

// What contradicts itself in what the contract says of workspace and fallback.
void check_guards(const Contract& contract) {
  const std::string& fallback = contract.fallback;
  const std::size_t size = contract.action.size;
  if (fallback != "hold" && fallback != "damp" && fallback != "retreat") {
    throw Refused("has the unknown fallback '" + fallback + "'");
  }
  if (!contract.limits) {
    if (contract.workspace || fallback != "hold") {
      throw Refused("has a workspace or a fallback other than 'hold' for discrete actions");
    }
    return;
  }
  const Limits& limits = *contract.limits;
  if (fallback == "retreat" && !contract.retreat) {
    throw Refused("falls back to 'retreat' and states no pose");
  }
  if (contract.retreat && contract.retreat->size() != size) {
    throw Refused("has a pose to retreat to of another number of elements than " +
                  std::to_string(size));
  }
  for (const double jerk : limits.jerk) {
    if (!(jerk > 0)) throw Refused("has a limit of jerk that is not a positive number");
  }
  if (!contract.workspace) return;
  const Range& box = *contract.workspace;
  if (box.low.size() != size || box.high.size() != size) {
    throw Refused("has a workspace of another number of elements than " + std::to_string(size));
  }
  for (std::size_t i = 0; i < size; ++i) {
    const double low = limits.absolute[i] ? std::max(box.low[i], limits.low[i]) : box.low[i];
    const double high = limits.absolute[i] ? std::min(box.high[i], limits.high[i]) : box.high[i];
    if (!(low <= high)) {
      throw Refused("has a workspace without room for action element " + std::to_string(i));
    }
  }
}

// Of the corner of a quaternion's limits that is farthest from zero; 1 but for rounding.
constexpr double kLeastSquare = 0.99;

// What the limits of their elements make impossible.
void check_rotations(const Contract& contract) {
  const Limits& limits = *contract.limits;
  const std::vector<bool>& absolute = limits.absolute;
  for (const Rotation& rotation : contract.action.rotations) {
    const std::string first = std::to_string(rotation.start);
    for (std::size_t i = 1; i < rotation.size(); ++i) {
      if (absolute[rotation.start + i] != absolute[rotation.start]) {
        throw Refused("has elements of both modes in the rotation from action element " + first);
      }
    }
    if (!absolute[rotation.start] && rotation.unit != RotationUnit::kRotvec) {
      throw Refused("commands steps by a quaternion from action element " + first +
                    " on, which zeros do not hold; command rotation vectors");
    }
    double greatest = 0.0;
    for (std::size_t i = rotation.start; i < rotation.start + rotation.size(); ++i) {
      const double side = std::max(std::fabs(limits.low[i]), std::fabs(limits.high[i]));
      greatest += side * side;
    }
    if (rotation.unit != RotationUnit::kRotvec && greatest < kLeastSquare) {
      throw Refused("has limits of the quaternion from action element " + first +
                    " on that no quaternion of length 1 keeps");
    }
  }
}

void check_length(const Range& range, std::size_t size, const std::string& name) {
  if (range.low.size() != size || range.high.size() != size) {
    throw Refused("has a training range of '" + name + "' of the wrong length");
  }
}

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

// What is a velocity by its name or unit drives on where it is held like a target.
void check_velocities(const Contract& contract) {
  const std::vector<std::string>&names = contract.action.names, &units = contract.action.units;
  for (std::size_t i = 0; i < contract.action.size; ++i) {
    const bool named = i < names.size() && ends_with(names[i], ".vel");
    const bool measured = i < units.size() && ends_with(units[i], "/s");
    if ((named || measured) && !contract.limits->moving[i]) {
      throw Refused("takes action element " + std::to_string(i) +
                    ", which is a velocity, for something else; export the policy again");
    }
  }
}

}  // namespace

void check(const Contract& contract) {
  const std::size_t size = contract.action.size;
  if (contract.execute > contract.horizon) {
    throw Refused("executes " + std::to_string(contract.execute) + " of " +
                  std::to_string(contract.horizon) + " predicted actions");
  }
  if (!(std::isfinite(contract.stale_after) && contract.stale_after > 0)) {
    throw Refused("has a stale-input timeout that is not positive");
  }
  if (!(std::isfinite(contract.tolerance) && contract.tolerance >= 0)) {
    throw Refused("has a tolerance below 0");
  }
  if (contract.limits.has_value() == (contract.choices > 0)) {
    throw Refused("must have limits for continuous actions, and only for those");
  }
  if (contract.limits) {
    const Limits& limits = *contract.limits;
    for (const auto* values :
         {&limits.low, &limits.high, &limits.velocity, &limits.acceleration, &limits.jerk}) {
      if (values->size() != size || limits.absolute.size() != size) {
        throw Refused("has limits for another number of action elements than " +
                      std::to_string(size));
      }
    }
    for (std::size_t i = 0; i < size; ++i) {
      if (!(limits.low[i] <= limits.high[i])) {
        throw Refused("has a lower limit above its upper limit");
      }
      if (!(limits.velocity[i] >= 0 && limits.acceleration[i] >= 0)) {
        throw Refused("has a limit of velocity or acceleration that is not a positive number");
      }
    }
    check_rotations(contract);
    check_velocities(contract);
  }
  check_guards(contract);
  for (std::size_t i = 0; i < contract.observations.size(); ++i) {
    check_length(contract.training_range[i], contract.observations[i].size,
                 contract.observations[i].name);
  }
  if (contract.action_range) check_length(*contract.action_range, size, "action");
}

void check_start(const Contract& contract, const double* present, const double* velocity) {
  const std::size_t size = contract.limits ? contract.action.size : 1;  // a choice is one number
  for (std::size_t i = 0; i < size; ++i) {
    const bool holds = present != nullptr && (!contract.limits || contract.limits->absolute[i] ||
                                              contract.limits->moving[i]);
    const bool moves = velocity != nullptr && contract.limits;
    const char* wrong = holds && !std::isfinite(present[i])    ? "present"
                        : moves && !std::isfinite(velocity[i]) ? "velocity"
                                                               : nullptr;
    if (wrong == nullptr) continue;
    const std::vector<std::string>& names = contract.action.names;
    throw Refused(std::string(wrong) + " of action element " + std::to_string(i) +
                  (i < names.size() ? " ('" + names[i] + "')" : "") +
                  " is not a finite number; no episode begins");
  }
  if (present == nullptr || !contract.limits) return;
  for (const Rotation& rotation : contract.action.rotations) {
    Values held = {};
    std::copy(present + rotation.start, present + rotation.start + rotation.size(), held.begin());
    Quaternion ignored;
    if (contract.limits->absolute[rotation.start] && !quaternion(held, rotation.unit, ignored)) {
      throw Refused("present of action element " + std::to_string(rotation.start) +
                    " and those after it is no rotation; no episode begins");
    }
  }
}

}  // namespace ilrobot
