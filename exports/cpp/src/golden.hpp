// The golden vectors of a contract, replayed on this machine.
#pragma once

#include "contract.hpp"
#include "session.hpp"

namespace ilrobot {

// Greatest error of the actions, as a fraction of the command range (of choices the fraction that
// differ), or of a signal that differs by more than its rounding. Infinite where one is NaN.
double greatest_golden_error(Session& session, const Contract& contract);

}  // namespace ilrobot
