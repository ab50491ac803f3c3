#include "braking.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace ilrobot {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// `rest_displacement` where the step, once the change is released, is not negative.
double forward(double step, double change, double most, double jerk) {
  const double x = change / jerk;
  const double ceiling = std::ceil(x);
  const double constant = step / jerk + ceiling * (ceiling - 1.0) / 2.0 - ceiling * x;
  double q = std::floor(x + std::sqrt(std::max(0.0, x * x + constant)));
  q = std::max(std::max(q, ceiling - 1.0), 0.0);
  const double ramp = std::isinf(most) ? kInfinity : std::floor((most + change) / jerk);
  const bool flat = q >= ramp;
  if (flat) q = ramp;
  double left = step + q * change - jerk * q * (q + 1.0) / 2.0;
  double total =
      q * step + change * q * (q + 1.0) / 2.0 - jerk * q * (q + 1.0) * (q + 2.0) / 6.0;
  if (flat) {
    const double w = std::floor(std::max(0.0, left - release(most, jerk)) / most);
    total = total + w * left - most * w * (w + 1.0) / 2.0;
    left = left - w * most;
  }
  const double z = greatest_step(left, jerk);
  const double n = std::floor(z / jerk);
  return total + z * n * (n + 1.0) / 2.0 - jerk * n * (n + 1.0) * (2.0 * n + 1.0) / 6.0;
}

}  // namespace

double greatest_step(double distance, double braking) {
  if (distance <= 0.0 || braking <= 0.0) return 0.0;
  if (distance <= braking || std::isinf(distance)) return distance;
  const double steps = std::ceil((std::sqrt(1.0 + 8.0 * distance / braking) - 1.0) / 2.0);
  return distance / steps + braking * (steps - 1.0) / 2.0;
}

double signed_greatest_step(double distance, double braking) {
  return distance < 0.0 ? -greatest_step(-distance, braking) : greatest_step(distance, braking);
}

double release(double change, double decay) {
  const double size = std::abs(change);
  if (size < decay || decay <= 0.0) return 0.0;
  const double ticks = std::floor(size / decay);
  const double total = ticks * size - decay * ticks * (ticks + 1.0) / 2.0;
  return change < 0.0 ? -total : total;
}

double brake_change(double step, double change, double most, double jerk) {
  if (step + release(change, jerk) < 0.0) {
    return std::min(std::min(change + jerk, most), greatest_step(-step, jerk));
  }
  return std::max(std::max(change - jerk, -most), -greatest_step(step, jerk));
}

double rest_displacement(double step, double change, double most, double jerk) {
  if (std::isinf(jerk)) return release(step, most);
  if (step + release(change, jerk) < 0.0) return -forward(-step, -change, most, jerk);
  return forward(step, change, most, jerk);
}

double greatest_displacement(double step, double change, double most, double jerk) {
  if (std::isinf(jerk)) return std::max(0.0, release(step, most));
  if (step + release(change, jerk) > 0.0) {
    return std::max(0.0, forward(step, change, most, jerk));
  }
  if (step <= 0.0) return 0.0;
  const double slope = change + jerk / 2.0;
  const double root = std::sqrt(std::max(0.0, slope * slope - 2.0 * jerk * step));
  const double k = std::max(0.0, std::floor(2.0 * step / (root - slope)));
  return k * step + change * k * (k + 1.0) / 2.0 + jerk * k * (k + 1.0) * (k + 2.0) / 6.0;
}

}  // namespace ilrobot
