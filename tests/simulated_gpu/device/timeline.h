// The device's time: work takes a while on its stream and does nothing.
#pragma once
#include <mutex>
#include <set>

#include "cuda_runtime_api.h"
#include "settings.h"

namespace simulated {

// A captured graph is the number of its kernels.
struct Graph {
  int nodes = 0;
};

struct Stream {
  int64_t ready_ns = 0;  // when all that was issued so far is done
  Graph* capture = nullptr;
};

struct Event {
  int64_t at_ns = 0;
  Graph* capture = nullptr;
  bool recorded = false;
  bool timed = true;
};

// One lock for all: what is simulated is order, not contention.
extern std::recursive_mutex lock;
extern std::set<Stream*> streams;

using Guard = std::lock_guard<std::recursive_mutex>;

int64_t now_ns();
void wait_until(int64_t at_ns);
int64_t kernel_ns();

// The stream behind a handle; the legacy and the per-thread default are one here.
Stream& stream_of(cudaStream_t handle);

// Takes the context's memory when this process first uses the device.
void use_device();

// Puts work on a stream, or a node into the graph that captures it.
cudaError_t enqueue(cudaStream_t handle, int64_t ns);

// Whether a call that synchronises or allocates would break a capture that is under way.
bool breaks_capture();
cudaError_t begin_capture(Stream& stream, cudaStreamCaptureMode mode);
Graph* end_capture(Stream& stream);
cudaStreamCaptureMode exchange_mode(cudaStreamCaptureMode mode);

// Keeps an error for cudaGetLastError and returns it.
cudaError_t fail(cudaError_t error, const char* call);
cudaError_t last_error(bool forget);

}  // namespace simulated
