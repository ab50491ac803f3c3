// Whether an observation can be acted on: finite, fresh, and of the kind that was trained on. The
// twin of ilrobot/control/observation_watch.py.
#pragma once

#include <vector>

#include "activation.hpp"
#include "contract.hpp"

namespace ilrobot {

using Observation = std::vector<std::vector<float>>;  // one array per feature

// How many ticks of a rate these seconds are, rounded up; at least one, infinite for none.
double ticks(const std::optional<double>& seconds, double rate);

class ObservationWatch {
 public:
  ObservationWatch(const Contract& contract, double rate);

  // Begins an episode: nothing was measured yet.
  void reset();

  // Looks at the observation of a tick; whether the policy may act on it. age: seconds since it
  // was measured. moved: whether the commanded target moved at the tick before.
  bool look(const Observation& observation, double age, double measured, bool moved, bool driven,
            Activations& found);

  // Whether frozen measurements are looked for.
  bool watches_bits() const { return watches_bits_; }

 private:
  struct RangeCheck {
    std::size_t feature;
    bool picture;  // in range by its type; not held against the one before
    std::vector<float> low, high, before;
    std::vector<bool> turning;  // elements that are an angle or of a rotation
    std::vector<Rotation> rotations;

    bool holds(std::size_t element, double value) const;
    // What turns by one of its equal answers, which the policy reads alike.
    bool holds_turned(const std::vector<float>& values) const;
  };
  bool is_frozen(const Observation& observation, bool moved);

  double stale_after_, period_, most_frozen_, most_outside_;
  std::vector<RangeCheck> checks_;
  bool watches_bits_ = false, seen_ = false;
  double newest_ = 0, frozen_ = 0, outside_ = 0;
};

// Counts missed deadlines in a row: too many are an overrun, until as many in a row were kept.
class LateWatch {
 public:
  explicit LateWatch(const Contract& contract);

  void reset();
  bool look(bool late);

 private:
  double most_, run_ = 0;
  bool overrun_ = false;
};

}  // namespace ilrobot
