// What a tick costs: measure POLICY TICKS [CHUNKS [LOG]]. Prints one line of JSON: time of a tick in
// seconds, allocations of the control thread, the heap before and after, and what the graph alone
// allocates in ONNX Runtime each time. The first tenth of the ticks is not counted.
#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "ilrobot.h"

// Every allocation of the process comes by here, those of the C++ runtime and of ONNX Runtime, too.
extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* old, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);

thread_local std::uint64_t allocations = 0;

void* malloc(std::size_t size) { return ++allocations, __libc_malloc(size); }
void* calloc(std::size_t count, std::size_t size) {
  return ++allocations, __libc_calloc(count, size);
}
void* realloc(void* old, std::size_t size) { return ++allocations, __libc_realloc(old, size); }
void* memalign(std::size_t alignment, std::size_t size) {
  return ++allocations, __libc_memalign(alignment, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) {
  return ++allocations, __libc_memalign(alignment, size);
}
int posix_memalign(void** result, std::size_t alignment, std::size_t size) {
  *result = memalign(alignment, size);
  return *result ? 0 : 12;
}
}

int main(int count, char** words) {
  if (count < 3) return 2;
  char error[1000];
  ilr_options options = ILR_DEFAULT_OPTIONS;
  options.chunking = count > 3 ? words[3] : nullptr;
  ilr_controller* policy = ilr_load(words[1], &options, error, sizeof error);
  if (!policy) {
    std::fprintf(stderr, "measure: %s\n", error);
    return 2;
  }
  const auto ticks = std::strtoull(words[2], nullptr, 10);
  if (count > 4 && !ilr_log(policy, words[4], ticks, error, sizeof error)) {
    std::fprintf(stderr, "measure: %s\n", error);
    return 2;
  }
  std::vector<std::vector<float>> observation;
  std::vector<const float*> pointers;
  for (std::size_t i = 0; i < ilr_observation_count(policy); ++i) {
    observation.emplace_back(ilr_observation_size(policy, i));
    pointers.push_back(observation.back().data());
  }
  std::vector<double> command(ilr_action_size(policy)), present(command.size());
  std::vector<double> times;
  times.reserve(ticks);
  ilr_reset(policy, 0, present.data(), nullptr, nullptr, nullptr, 0);
  ilr_observe(policy, pointers.data(), 0);
  ilr_prepare(policy, 10);

  using Clock = std::chrono::steady_clock;
  const auto warm = ticks / 10;
  std::uint64_t before = 0;
  std::size_t heap = 0;
  const double period = 1 / ilr_rate(policy);
  for (std::uint64_t tick = 0; tick < ticks; ++tick) {
    if (tick == warm) {
      heap = mallinfo2().uordblks;
      before = allocations;
    }
    // It changes at every tick, as a robot's does.
    for (std::vector<float>& values : observation) values[0] = 1e-3f * static_cast<float>(tick % 7);
    const double now = period * static_cast<double>(tick);
    const auto begun = Clock::now();
    ilr_observe(policy, pointers.data(), now);
    ilr_tick(policy, now, 0, command.data());
    const std::chrono::duration<double> spent = Clock::now() - begun;
    if (tick >= warm) times.push_back(spent.count());
  }
  const std::uint64_t made = allocations - before;
  const auto grown = static_cast<long long>(mallinfo2().uordblks) - static_cast<long long>(heap);
  std::sort(times.begin(), times.end());
  const auto at = [&](double share) {
    return times[static_cast<std::size_t>(share * static_cast<double>(times.size() - 1))];
  };
  std::uint64_t held = 0;
  for (std::size_t i = 0; i < ilr_activation_count(); ++i) {
    if (std::string_view(ilr_activation_name(i)) == "fallback") held = ilr_activation_ticks(policy, i);
  }
  std::vector<std::vector<float>> history;
  std::vector<const float*> oldest;
  for (const std::vector<float>& values : observation) {
    history.emplace_back(ilr_history(policy) * values.size());
    oldest.push_back(history.back().data());
  }
  std::vector<float> chunk(ilr_horizon(policy) * command.size());
  constexpr int kPredictions = 1000;
  before = allocations;
  for (int i = 0; i < kPredictions; ++i) {
    ilr_predict(policy, oldest.data(), nullptr, nullptr, nullptr, chunk.data());
  }
  const double of_graph = static_cast<double>(allocations - before) / kPredictions;
  std::printf("{\"ticks\": %llu, \"p50\": %.9f, \"p99\": %.9f, \"p99.9\": %.9f, \"max\": %.9f, "
              "\"allocations\": %llu, \"graph_allocations\": %g, \"heap_grown\": %lld, "
              "\"fallback\": %llu}\n",
              static_cast<unsigned long long>(times.size()), at(0.5), at(0.99), at(0.999), at(1),
              static_cast<unsigned long long>(made), of_graph, grown,
              static_cast<unsigned long long>(held));
  ilr_free(policy);
  return 0;
}
