// A file's bytes, all at once.
#pragma once

#include <string>

namespace ilrobot {

// Throws Refused: it cannot be read.
std::string read_bytes(const std::string& path);

}  // namespace ilrobot
