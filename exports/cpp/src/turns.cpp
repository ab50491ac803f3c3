#include "turns.hpp"

#include <cmath>

namespace ilrobot {
namespace {

// What is shorter has no direction.
constexpr double kLeast = 1e-4;
// Below this angle its sine is the angle itself, in doubles.
constexpr double kSmall = 1e-8;
constexpr double kPi = 3.141592653589793;

double length_of(double x, double y, double z) { return std::sqrt(x * x + y * y + z * z); }

double length_of(double w, double x, double y, double z) {
  return std::sqrt(w * w + x * x + (y * y + z * z));
}

// Of a rotation vector and its length.
Quaternion exp_of(double x, double y, double z, double angle) {
  const double scale = angle < kSmall ? 0.5 : std::sin(0.5 * angle) / angle;
  return {std::cos(0.5 * angle), x * scale, y * scale, z * scale};
}

// The rotation vector of a unit quaternion; of no turn, 0 whatever its sign.
Turn log_of(double w, double x, double y, double z) {
  const double sine = length_of(x, y, z);
  const double scale =
      sine < kSmall ? std::copysign(2.0, w) : 2.0 * std::atan2(sine, w) / sine;
  return {x * scale, y * scale, z * scale};
}

}  // namespace

bool quaternion(const Values& values, RotationUnit unit, Quaternion& into) {
  if (unit == RotationUnit::kRotvec) {
    const double angle = length_of(values[0], values[1], values[2]);
    if (!std::isfinite(angle)) return false;
    into = exp_of(values[0], values[1], values[2], angle);
    return true;
  }
  const auto [w, x, y, z] = unit == RotationUnit::kQuatWxyz
                                ? values
                                : Values{values[3], values[0], values[1], values[2]};
  const double length = length_of(w, x, y, z);
  if (!(std::isfinite(length) && length >= kLeast)) return false;
  into = {w / length, x / length, y / length, z / length};
  return true;
}

Values in_unit(const Quaternion& q, RotationUnit unit) {
  const auto [w, x, y, z] = q;
  if (unit == RotationUnit::kQuatWxyz) return q;
  if (unit == RotationUnit::kQuatXyzw) return {x, y, z, w};
  const Turn turn = log_of(w, x, y, z);
  return {turn[0], turn[1], turn[2], 0.0};
}

Values nearest(const Values& values, const Values& to, RotationUnit unit) {
  if (unit != RotationUnit::kRotvec) {
    const double along =
        (values[0] * to[0] + values[1] * to[1]) + (values[2] * to[2] + values[3] * to[3]);
    if (!(along < 0.0)) return values;
    return {-values[0], -values[1], -values[2], -values[3]};
  }
  const double angle = length_of(values[0], values[1], values[2]);
  double length = angle;
  const Values* axis = &values;
  if (angle < kSmall) {  // no turn: any axis does
    axis = &to;
    length = length_of(to[0], to[1], to[2]);
    if (length < kPi) return values;
  }
  const double x = (*axis)[0] / length, y = (*axis)[1] / length, z = (*axis)[2] / length;
  const double ahead = x * to[0] + y * to[1] + z * to[2] - angle;
  const double more = 2.0 * kPi * std::floor(ahead / (2.0 * kPi) + 0.5);
  if (more == 0.0) return values;
  return {values[0] + more * x, values[1] + more * y, values[2] + more * z, 0.0};
}

EqualAnswers equal_answers(const Values& values, RotationUnit unit) {
  const auto times = [&values](double factor) {
    return Values{values[0] * factor, values[1] * factor, values[2] * factor, values[3] * factor};
  };
  if (unit != RotationUnit::kRotvec) return {{values, times(-1.0)}, 2};
  const double angle = length_of(values[0], values[1], values[2]);
  if (angle < kSmall) return {{values}, 1};
  const double whole = 2.0 * kPi / angle;
  return {{values, times(1.0 + whole), times(1.0 - whole)}, 3};
}

Turn between(const Quaternion& start, const Quaternion& end) {
  const auto [a, b, c, d] = start;
  const auto [w, x, y, z] = end;
  const double real = (w * a + x * b) + (y * c + z * d);
  const double i = (x * a - w * b) + (z * c - y * d);
  const double j = (y * a - w * c) + (x * d - z * b);
  const double k = (z * a - w * d) + (y * b - x * c);
  return real < 0.0 ? log_of(-real, -i, -j, -k) : log_of(real, i, j, k);
}

Quaternion turned(const Quaternion& q, const Turn& turn) {
  const auto [x, y, z] = turn;
  const auto [a, b, c, d] = exp_of(x, y, z, length_of(x, y, z));
  const auto [w, i, j, k] = q;
  const Quaternion led = {
      (a * w - b * i) - (c * j + d * k),
      (a * i + b * w) + (c * k - d * j),
      (a * j + c * w) + (d * i - b * k),
      (a * k + d * w) + (b * j - c * i),
  };
  const double length = length_of(led[0], led[1], led[2], led[3]);
  return {led[0] / length, led[1] / length, led[2] / length, led[3] / length};
}

}  // namespace ilrobot
