// Rotations once a tick: quaternions, the turns between them, and of equal answers the nearest. The
// twin of ilrobot/control/turns.py: the same operations on doubles, so that both give the same bits.
#pragma once

#include <array>
#include <cstddef>

#include "rotation_units.hpp"

namespace ilrobot {

using Quaternion = std::array<double, 4>;  // w, x, y, z, of length 1; q and -q are the same
using Turn = std::array<double, 3>;        // axis times angle, rad
using Values = std::array<double, 4>;      // of a rotation in its unit; of a vector three count

// False: they are no rotation, as they are not finite, or a quaternion of no length.
bool quaternion(const Values& values, RotationUnit unit, Quaternion& into);

// Its inverse; with w < 0 the rotation vector of more than half a turn.
Values in_unit(const Quaternion& q, RotationUnit unit);

// The same rotation by those of its equal answers that are nearest to other values.
Values nearest(const Values& values, const Values& to, RotationUnit unit);

// A rotation as it is given, and its next equal answers: -q, or a turn more and one less.
struct EqualAnswers {
  std::array<Values, 3> answers;
  std::size_t count;
};
EqualAnswers equal_answers(const Values& values, RotationUnit unit);

// The turn of at most half a whole one that leads from one rotation to another.
Turn between(const Quaternion& start, const Quaternion& end);

// Where a turn leads to, by the quaternion nearest to where it begins.
Quaternion turned(const Quaternion& q, const Turn& turn);

}  // namespace ilrobot
