// Values as JSON text, for those who write a few and shall not be compiled with all that reads it.
#pragma once

#include <string>
#include <vector>

namespace ilrobot {

std::string json_of(const std::string& text);  // what is no UTF-8 is replaced
std::string json_of(const std::vector<std::string>& texts);
std::string json_of(double number);  // the shortest that reads back as the same
std::string json_of(const std::vector<double>& numbers);

}  // namespace ilrobot
