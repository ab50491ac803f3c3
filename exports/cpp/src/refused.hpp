// What a user can mend: a file, an option, a robot that does not fit. The message says how.
#pragma once

#include <stdexcept>

namespace ilrobot {

class Refused : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace ilrobot
