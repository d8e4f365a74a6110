// See timeline.h.
#include "timeline.h"

#include <ctime>

#include "ledger.h"

namespace simulated {

std::recursive_mutex lock;
std::set<Stream*> streams;

namespace {

constexpr int64_t kSecond = 1'000'000'000;
// A sleep ends late by about as much: the rest is spun.
constexpr int64_t kSleepLateNs = 100'000;

Graph* capturing = nullptr;
cudaStreamCaptureMode capture_mode = cudaStreamCaptureModeGlobal;
thread_local cudaStreamCaptureMode thread_mode = cudaStreamCaptureModeGlobal;
thread_local cudaError_t kept_error = cudaSuccess;

Stream& default_stream() {
  static Stream* const stream = [] {
    auto* made = new Stream;
    streams.insert(made);
    return made;
  }();
  return *stream;
}

uint64_t context_bytes() {
  return number("RESPROF_SIMULATED_CONTEXT_BYTES", 528ull << 20);
}

}  // namespace

int64_t now_ns() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * kSecond + time.tv_nsec;
}

void wait_until(int64_t at_ns) {
  for (int64_t left; (left = at_ns - now_ns()) > 0;) {
    if (left < 2 * kSleepLateNs) continue;
    const int64_t nap = left - kSleepLateNs;
    const timespec time{nap / kSecond, nap % kSecond};
    nanosleep(&time, nullptr);
  }
}

int64_t kernel_ns() {
  static const int64_t value = number("RESPROF_SIMULATED_KERNEL_NS", 20'000);
  return value;
}

Stream& stream_of(cudaStream_t handle) {
  if (handle == nullptr || handle == cudaStreamLegacy || handle == cudaStreamPerThread) {
    return default_stream();
  }
  return *reinterpret_cast<Stream*>(handle);
}

void use_device() {
  static int user = 0;
  const Guard guard(lock);
  if (user == getpid()) return;
  user = getpid();
  own_slot().bytes += context_bytes();
}

cudaError_t enqueue(cudaStream_t handle, int64_t ns) {
  use_device();
  const Guard guard(lock);
  Stream& stream = stream_of(handle);
  if (stream.capture) {
    stream.capture->nodes++;
    return cudaSuccess;
  }
  if (capturing && &stream == &default_stream()) {
    return fail(cudaErrorStreamCaptureImplicit, "work on the default stream during a capture");
  }
  const int64_t now = now_ns();
  stream.ready_ns = (stream.ready_ns > now ? stream.ready_ns : now) + ns;
  return cudaSuccess;
}

bool breaks_capture() {
  return capturing && capture_mode == cudaStreamCaptureModeGlobal &&
         thread_mode != cudaStreamCaptureModeRelaxed;
}

cudaError_t begin_capture(Stream& stream, cudaStreamCaptureMode mode) {
  if (capturing) return fail(cudaErrorStreamCaptureUnsupported, "cudaStreamBeginCapture");
  capturing = stream.capture = new Graph;
  capture_mode = mode;
  return cudaSuccess;
}

Graph* end_capture(Stream& stream) {
  Graph* const graph = stream.capture;
  for (Stream* each : streams) each->capture = nullptr;
  capturing = nullptr;
  return graph;
}

cudaStreamCaptureMode exchange_mode(cudaStreamCaptureMode mode) {
  const cudaStreamCaptureMode before = thread_mode;
  thread_mode = mode;
  return before;
}

cudaError_t fail(cudaError_t error, const char* call) {
  kept_error = error;
  if (traced()) fprintf(stderr, "simulated: %s: error %d\n", call, error);
  return error;
}

cudaError_t last_error(bool forget) {
  const cudaError_t error = kept_error;
  if (forget) kept_error = cudaSuccess;
  return error;
}

}  // namespace simulated

// Work of the libraries beside the runtime, for as long as a kernel takes.
EXPORTED int resprof_simulated_kernel(void* stream) {
  using namespace simulated;
  return enqueue(static_cast<cudaStream_t>(stream), kernel_ns());
}
