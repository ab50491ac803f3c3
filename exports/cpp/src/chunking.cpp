#include "chunking.hpp"

#include <cmath>
#include <locale>
#include <sstream>

#include "refused.hpp"

namespace ilrobot {
namespace {

struct Kind {
  const char* word;
  Mode mode;
  bool takes_number;
  double usual;
  const char* counts;  // what its whole number counts (null: it is no count)
  double most;
};

constexpr Kind kKinds[] = {
    {"receding", Mode::kReceding, false, 0, nullptr, 0},
    {"ensemble", Mode::kEnsemble, true, 0.01, nullptr, 0},
    {"coherent", Mode::kCoherent, true, 8, "samples", 1'000},
    {"warm", Mode::kWarm, true, 1, "steps", 100'000},
    {"realtime", Mode::kRealtime, true, 1, "delay", 1'000},
};

// A decimal number whatever the locale of the process says; throws Refused.
double number(const std::string& word, const std::string& given) {
  std::istringstream stream(given);
  stream.imbue(std::locale::classic());
  double value = 0;
  if (!(stream >> value) || stream.peek() != std::istringstream::traits_type::eof()) {
    throw Refused("chunks " + word + ": '" + given + "' is not a number");
  }
  return value;
}

}  // namespace

Chunking parse_chunking(const std::string& word) {
  const std::size_t colon = word.find(':');
  const std::string name = word.substr(0, colon);
  for (const Kind& kind : kKinds) {
    if (name != kind.word || (colon != std::string::npos && !kind.takes_number)) continue;
    const double value =
        colon == std::string::npos ? kind.usual : number(word, word.substr(colon + 1));
    if (kind.mode == Mode::kEnsemble && !(value >= 0 && std::isfinite(value))) {
      throw Refused("chunks " + word + ": the decay must be 0 or more");
    }
    if (kind.counts && !(value >= 1 && value <= kind.most && value == std::floor(value))) {
      throw Refused("chunks " + word + ": the " + kind.counts +
                    " must be a whole number within 1 and " +
                    std::to_string(static_cast<int>(kind.most)));
    }
    return {kind.mode, value};
  }
  throw Refused("chunks " + word +
                " is none of receding, ensemble[:NUMBER], coherent[:NUMBER], warm[:NUMBER], "
                "realtime[:NUMBER]");
}

}  // namespace ilrobot
