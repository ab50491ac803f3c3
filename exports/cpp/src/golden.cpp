#include "golden.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace ilrobot {
namespace {

// The difference of two numbers as a share of the scale; NaN, which no later number would exceed,
// as infinity.
double apart(double one, double other, double scale = 1.0) {
  const double share = std::abs(one - other) / scale;
  return std::isnan(share) ? std::numeric_limits<double>::infinity() : share;
}

}  // namespace

double greatest_golden_error(Session& session, const Contract& contract) {
  const std::vector<double> scale = contract.scale();
  double worst = 0.0;
  for (const Golden& golden : contract.golden) {
    std::vector<const float*> history;
    for (const std::vector<float>& values : golden.observations) history.push_back(values.data());
    const bool led = !golden.prefix.empty();
    const Prediction& given =
        session.run(history.data(), golden.noise.data(), led ? golden.prefix.data() : nullptr,
                    led ? golden.weights.data() : nullptr);
    const std::vector<float>&chunk = given.chunk, &wanted = golden.given.chunk;
    double differing = 0.0;
    for (std::size_t i = 0; i < chunk.size(); ++i) {
      const double difference = apart(chunk[i], wanted[i], scale[i % scale.size()]);
      if (contract.choices > 0) {
        differing += difference != 0.0;
      } else {
        worst = std::max(worst, difference);
      }
    }
    worst = std::max(worst, differing / static_cast<double>(chunk.size()));
    for (std::size_t i = 0; i < given.signals.size(); ++i) {
      const std::vector<float>&ours = given.signals[i], &theirs = golden.given.signals[i];
      double most = 0.0;
      for (std::size_t j = 0; j < ours.size(); ++j) most = std::max(most, apart(ours[j], theirs[j]));
      if (most > contract.signals[i].rounding) worst = std::max(worst, most);
    }
  }
  return worst;
}

}  // namespace ilrobot
