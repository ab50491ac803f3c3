#include "tick_log.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <limits>
#include <utility>
#include <vector>

#include "json_writing.hpp"
#include "refused.hpp"

namespace ilrobot {
namespace {

constexpr std::size_t kMostBytes = std::size_t{256} << 20;
constexpr std::size_t kPage = 4096, kClosedAt = 12, kPrefix = 16;
constexpr char kMagic[] = {'I', 'L', 'T', 'I', 'C', 'K', 'S', '1'};
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// The plain numbers of a row as they lie there, without gaps; its own number is written last.
#pragma pack(push, 1)
struct Scalars {
  double start;
  std::int32_t episode;
  std::uint32_t activations;
  float age, read_time, act_time, write_time;
  std::uint16_t source, late;
};
#pragma pack(pop)

std::vector<std::string> element_names(const Feature& feature) {
  if (!feature.names.empty()) return feature.names;
  const std::string shortened = feature.name.substr(feature.name.rfind('.') + 1);
  std::vector<std::string> names;
  for (std::size_t i = 0; i < feature.size; ++i) {
    names.push_back(shortened + "[" + std::to_string(i) + "]");
  }
  return names;
}

// No pictures.
bool is_kept(const Feature& feature) { return !feature.is_picture(); }

// One member after the other, of an object or a list.
void add(std::string& text, const std::string& member) {
  if (!text.empty()) text += ", ";
  text += member;
}

std::string header(const Contract& contract, double rate, std::size_t capacity,
                   const std::string& policy) {
  std::string row, elements, units, shape;
  const auto keep = [&](const std::string& field, const Feature& feature, const char* type) {
    const std::string name = json_of(field);
    shape.clear();
    for (const std::size_t length : feature.shape) add(shape, std::to_string(length));
    add(row, "[" + name + ", \"" + type + "\", [" + shape + "]]");
    add(elements, name + ": " + json_of(element_names(feature)));
    add(units, name + ": " + json_of(feature.units));
  };
  for (const Feature& feature : contract.observations) {
    if (is_kept(feature)) keep(feature.name, feature, "<f4");
  }
  for (const char* name : {"command", "wanted"}) keep(name, contract.action, "<f8");
  for (const Signal& signal : contract.signals) {
    const std::string name = json_of(signal.name);
    add(row, "[" + name + ", \"<f4\", []]");
    add(elements, name + ": [" + name + "]");
    add(units, name + ": []");
  }
  for (const auto& [name, type] :
       {std::pair{"start", "<f8"}, {"episode", "<i4"}, {"activations", "<u4"}, {"age", "<f4"},
        {"read_time", "<f4"}, {"act_time", "<f4"}, {"write_time", "<f4"}, {"source", "<u2"},
        {"late", "<u2"}, {"tick", "<u8"}}) {
    add(row, std::string("[\"") + name + "\", \"" + type + "\", []]");
  }
  const std::vector<std::string> activations(std::begin(kActivationNames),
                                             std::end(kActivationNames));
  const std::vector<std::string> sources{"demo",  "policy", "human",
                                         "blend", "paused", "fallback"};
  std::string text = "{\"version\": 1, \"capacity\": " + std::to_string(capacity) +
                     ", \"row\": [" + row + "], \"rate\": " + json_of(rate) +
                     ", \"sources\": " + json_of(sources) +
                     ", \"activations\": " + json_of(activations) + ", \"elements\": {" +
                     elements + "}, \"units\": {" + units + "}, \"scale\": " +
                     (contract.limits ? json_of(contract.scale()) : "null") +
                     ", \"about\": {\"policy\": " + json_of(policy) +
                     ", \"robot\": \"\", \"task\": " + json_of(contract.task) + "}}";
  text.resize((kPrefix + text.size() + kPage - 1) / kPage * kPage - kPrefix, ' ');
  std::string bytes(std::begin(kMagic), std::end(kMagic));
  const std::uint32_t numbers[] = {static_cast<std::uint32_t>(kPrefix + text.size()), 0};
  bytes.append(reinterpret_cast<const char*>(numbers), sizeof numbers);
  return bytes + text;
}

Refused refused(const std::string& path, int problem) {
  return Refused(path + ": " + std::strerror(problem) + "; nothing has moved");
}

// Leaves alone what is no log, and a log that another process is writing.
void check_replaceable(const std::string& path) {
  const int old = open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (old < 0) {
    if (errno == ENOENT) return;
    throw refused(path, errno);
  }
  const bool busy = flock(old, LOCK_EX | LOCK_NB) != 0;
  struct stat there;
  char begin[sizeof kMagic];
  const bool ours = fstat(old, &there) == 0 && S_ISREG(there.st_mode) &&
                    (there.st_size == 0 ||
                     (pread(old, begin, sizeof begin, 0) == sizeof begin &&
                      std::equal(std::begin(begin), std::end(begin), kMagic)));
  close(old);
  if (busy) throw Refused(path + ": another process is writing its log there; choose another");
  if (!ours) throw Refused(path + " is no log of ticks, and would be lost; choose another");
}

// Writes the beginning and takes the room of all of it; 0, or what is wrong.
int prepare(int file, const std::string& begin, std::size_t size) {
  for (std::size_t written = 0; written < begin.size();) {
    const ssize_t now = write(file, begin.data() + written, begin.size() - written);
    if (now < 0 && errno != EINTR) return errno;
    if (now > 0) written += static_cast<std::size_t>(now);
  }
  return posix_fallocate(file, 0, static_cast<off_t>(size));
}

}  // namespace

TickLog::TickLog(const std::string& path, const Contract& contract, double rate, std::size_t ticks,
                 const std::string& policy)
    : action_(contract.action.size) {
  for (std::size_t i = 0; i < contract.observations.size(); ++i) {
    const Feature& feature = contract.observations[i];
    if (!is_kept(feature)) continue;
    features_.push_back({i, feature.size});
    stride_ += sizeof(float) * feature.size;
  }
  stride_ += 2 * sizeof(double) * action_ + sizeof(float) * contract.signals.size();
  stride_ += sizeof(Scalars) + sizeof ticks_;
  capacity_ = std::max<std::size_t>(1, std::min(ticks, kMostBytes / stride_));
  const std::string begin = header(contract, rate, capacity_, policy);
  offset_ = begin.size();
  size_ = offset_ + capacity_ * stride_;

  check_replaceable(path);
  const std::string begun = path + "." + std::to_string(getpid());
  file_ = open(begun.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (file_ < 0) throw refused(path, errno);
  flock(file_, LOCK_EX | LOCK_NB);
  int problem = prepare(file_, begin, size_);
  void* map = MAP_FAILED;
  if (problem == 0) {
    map = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, file_, 0);
    if (map == MAP_FAILED) problem = errno;
  }
  if (problem == 0 && rename(begun.c_str(), path.c_str()) != 0) problem = errno;
  if (problem != 0) {
    if (map != MAP_FAILED) munmap(map, size_);
    unlink(begun.c_str());
    close(file_);
    throw refused(path, problem);
  }
  map_ = static_cast<char*>(map);
}

TickLog::~TickLog() {
  const std::uint32_t closed = 1;
  std::memcpy(map_ + kClosedAt, &closed, sizeof closed);
  msync(map_, size_, MS_SYNC);
  munmap(map_, size_);
  const std::size_t rows = std::min<std::uint64_t>(ticks_, capacity_);
  // Room that cannot be given back does no harm: its rows have no number.
  if (ftruncate(file_, static_cast<off_t>(offset_ + rows * stride_)) == 0) fsync(file_);
  close(file_);
}

void TickLog::append(const Observation* seen, const double* command, const double* wanted,
                     const std::vector<double>& signals, const Tick& tick) {
  char* at = map_ + offset_ + ticks_ % capacity_ * stride_;
  const auto put = [&at](const void* from, std::size_t bytes) {
    std::memcpy(at, from, bytes);
    at += bytes;
  };
  constexpr auto kNone = static_cast<float>(kNan);
  for (const Kept& kept : features_) {
    for (std::size_t i = 0; i < kept.size; ++i) {
      put(seen ? (*seen)[kept.feature].data() + i : &kNone, sizeof kNone);
    }
  }
  for (const double* values : {command, wanted}) {
    for (std::size_t i = 0; i < action_; ++i) put(values ? values + i : &kNan, sizeof kNan);
  }
  for (const double signal : signals) {
    const auto said = static_cast<float>(signal);
    put(&said, sizeof said);
  }
  const Scalars scalars{tick.start,
                        tick.episode,
                        tick.activations,
                        static_cast<float>(tick.age),
                        kNone,
                        static_cast<float>(tick.took),
                        kNone,
                        static_cast<std::uint16_t>(tick.source),
                        tick.late};
  put(&scalars, sizeof scalars);
  ++ticks_;
  std::atomic_signal_fence(std::memory_order_release);  // the number last
  put(&ticks_, sizeof ticks_);
}

}  // namespace ilrobot
