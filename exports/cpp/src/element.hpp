// The next command of one action element: as near to what is wanted as its limits allow. The twin
// of ilrobot/control/element.py, which says why; the same operations in the same order.
#pragma once

#include "activation.hpp"

namespace ilrobot {

// The limits of one element, per tick.
struct ElementLimits {
  bool delta = false;                // whether the command is the step, else the position
  double least = 0, greatest = 0;    // command
  double low = 0, high = 0;          // position
  double slowest = 0, fastest = 0;   // step
  double change = 0;                 // of the step, at most
  double jerk = 0;                   // of that, at most
  Activations at_low = kPositionLimited, at_high = kPositionLimited;
};

// What one element does now, in units per tick.
struct Motion {
  double position = 0, step = 0, change = 0;
  double wanted = 0, slope = 0;  // the last wanted command, and how it differed from the one before
  bool behind = false;           // whether the target is not on what was wanted last
};

// The change towards a wanted command; adds what was limited. `now` learns what was wanted.
double follow(const ElementLimits& limits, Motion& now, double wanted, Activations& flags);

// The change towards a position, to come to rest there.
double approach(const ElementLimits& limits, const Motion& now, double position);

// The change by which the step falls to a share of itself, or by braking where that is less.
double damp(const ElementLimits& limits, const Motion& now, double kept);

}  // namespace ilrobot
