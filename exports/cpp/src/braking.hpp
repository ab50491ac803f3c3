// How far a commanded target still goes when it is brought to rest. The twin of
// ilrobot/control/braking.py, which derives all of this: the same operations on doubles in the
// same order, so that both give the same bits.
#pragma once

namespace ilrobot {

double greatest_step(double distance, double braking);
double signed_greatest_step(double distance, double braking);
double release(double change, double decay);
double brake_change(double step, double change, double most, double jerk);
double rest_displacement(double step, double change, double most, double jerk);
double greatest_displacement(double step, double change, double most, double jerk);

// The greatest argument at which a non-decreasing function is not positive, or a little less.
// low: where it is not positive; high: where it is; near: -near <= f(x) <= 0 is good enough.
template <typename Function>
double greatest_root(const Function& function, double low, double high, double near) {
  constexpr int kIterations = 60;
  double at_low = function(low), at_high = function(high);
  int side = 0;
  for (int i = 0; i < kIterations; ++i) {
    double x = (low * at_high - high * at_low) / (at_high - at_low);
    if (!(low < x && x < high)) {
      x = (low + high) / 2.0;
      if (!(low < x && x < high)) break;
    }
    const double value = function(x);
    if (value <= 0.0) {
      low = x;
      at_low = value;
      if (-value <= near) break;
      if (side < 0) at_high = at_high / 2.0;
      side = -1;
    } else {
      high = x;
      at_high = value;
      if (side > 0) at_low = at_low / 2.0;
      side = 1;
    }
  }
  return low;
}

}  // namespace ilrobot
