// How chunks are executed, as one word of a contract. The twin of ilrobot/control/chunking.py.
#pragma once

#include <string>

namespace ilrobot {

enum class Mode { kReceding, kEnsemble, kCoherent, kWarm, kRealtime };

struct Chunking {
  Mode mode = Mode::kReceding;
  double number = 0;  // decay, samples, steps or delay in ticks; 0: the mode takes none

  // Whether it leads the policy's sampler, which must take that.
  bool leads() const { return mode == Mode::kWarm || mode == Mode::kRealtime; }
};

// From `receding`, `ensemble[:DECAY]`, `coherent[:SAMPLES]`, `warm[:STEPS]` or
// `realtime[:DELAY]`; throws Refused.
Chunking parse_chunking(const std::string& word);

}  // namespace ilrobot
