// What a guard did or noticed at one tick; a bit each. The twin of ilrobot/control/activation.py.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ilrobot {

using Activations = std::uint32_t;

enum Activation : Activations {
  kObservationNotFinite = 1 << 0,
  kObservationStale = 1 << 1,
  kObservationOutOfRange = 1 << 2,
  kActionNotFinite = 1 << 3,
  kPositionLimited = 1 << 4,
  kVelocityLimited = 1 << 5,
  kAccelerationLimited = 1 << 6,
  kDeadlineMissed = 1 << 7,
  kFallback = 1 << 8,
  kPlanRunOut = 1 << 9,
  kJerkLimited = 1 << 10,
  kWorkspaceLimited = 1 << 11,
  kObservationReordered = 1 << 12,
  kObservationFrozen = 1 << 13,
  kOverrun = 1 << 14,
  kEmergencyStop = 1 << 15,
  kCallsForHelp = 1 << 16,
  kComingToRest = 1 << 17,
};

// In the order of the bits.
inline constexpr const char* kActivationNames[] = {
    "observation_not_finite", "observation_stale",    "observation_out_of_range",
    "action_not_finite",      "position_limited",     "velocity_limited",
    "acceleration_limited",   "deadline_missed",      "fallback",
    "plan_run_out",           "jerk_limited",         "workspace_limited",
    "observation_reordered",  "observation_frozen",   "overrun",
    "emergency_stop",         "calls_for_help",       "coming_to_rest"};
inline constexpr std::size_t kActivations = sizeof kActivationNames / sizeof *kActivationNames;

}  // namespace ilrobot
