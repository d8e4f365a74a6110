// Streams, events and the capture of graphs.
#include "timeline.h"

using namespace simulated;

namespace {

Event& event_of(cudaEvent_t handle) { return *reinterpret_cast<Event*>(handle); }

cudaStreamCaptureStatus status_of(const Stream& stream) {
  return stream.capture ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
}

}  // namespace

EXPORTED cudaError_t cudaStreamCreateWithPriority(cudaStream_t* handle, unsigned, int) {
  use_device();
  const Guard guard(lock);
  auto* const stream = new Stream;
  streams.insert(stream);
  *handle = reinterpret_cast<cudaStream_t>(stream);
  return cudaSuccess;
}

EXPORTED cudaError_t cudaStreamCreate(cudaStream_t* handle) {
  return cudaStreamCreateWithPriority(handle, 0, 0);
}

EXPORTED cudaError_t cudaStreamDestroy(cudaStream_t handle) {
  const Guard guard(lock);
  streams.erase(&stream_of(handle));
  return cudaSuccess;
}

EXPORTED cudaError_t cudaStreamGetPriority(cudaStream_t, int* priority) {
  *priority = 0;
  return cudaSuccess;
}

EXPORTED cudaError_t cudaStreamQuery(cudaStream_t handle) {
  const Guard guard(lock);
  return stream_of(handle).ready_ns > now_ns() ? cudaErrorNotReady : cudaSuccess;
}

EXPORTED cudaError_t cudaStreamSynchronize(cudaStream_t handle) {
  int64_t until;
  {
    const Guard guard(lock);
    const Stream& stream = stream_of(handle);
    if (stream.capture) return fail(cudaErrorStreamCaptureUnsupported, "cudaStreamSynchronize");
    until = stream.ready_ns;
  }
  wait_until(until);
  return cudaSuccess;
}

EXPORTED cudaError_t cudaDeviceSynchronize() {
  use_device();
  int64_t until = 0;
  {
    const Guard guard(lock);
    if (breaks_capture()) return fail(cudaErrorStreamCaptureUnsupported, "cudaDeviceSynchronize");
    for (const Stream* stream : streams) {
      if (stream->ready_ns > until) until = stream->ready_ns;
    }
  }
  wait_until(until);
  return cudaSuccess;
}

EXPORTED cudaError_t cudaStreamWaitEvent(cudaStream_t handle, cudaEvent_t awaited, unsigned) {
  const Guard guard(lock);
  Stream& stream = stream_of(handle);
  const Event& event = event_of(awaited);
  if (event.capture) {
    stream.capture = event.capture;  // a fork of the captured stream
    return cudaSuccess;
  }
  if (stream.capture) return fail(cudaErrorStreamCaptureIsolation, "cudaStreamWaitEvent");
  if (event.at_ns > stream.ready_ns) stream.ready_ns = event.at_ns;
  return cudaSuccess;
}

// A callback runs at once: nothing that it could wait for takes the host's time.
EXPORTED cudaError_t cudaStreamAddCallback(
    cudaStream_t stream, cudaStreamCallback_t function, void* data, unsigned) {
  function(stream, cudaSuccess, data);
  return cudaSuccess;
}

EXPORTED cudaError_t cudaLaunchHostFunc(cudaStream_t, cudaHostFn_t function, void* data) {
  function(data);
  return cudaSuccess;
}

EXPORTED cudaError_t cudaEventCreateWithFlags(cudaEvent_t* handle, unsigned flags) {
  use_device();
  auto* const event = new Event;
  event->timed = !(flags & cudaEventDisableTiming);
  *handle = reinterpret_cast<cudaEvent_t>(event);
  return cudaSuccess;
}

EXPORTED cudaError_t cudaEventCreate(cudaEvent_t* handle) {
  return cudaEventCreateWithFlags(handle, cudaEventDefault);
}

EXPORTED cudaError_t cudaEventDestroy(cudaEvent_t handle) {
  delete &event_of(handle);
  return cudaSuccess;
}

EXPORTED cudaError_t cudaEventRecordWithFlags(
    cudaEvent_t handle, cudaStream_t recorded, unsigned) {
  const Guard guard(lock);
  Event& event = event_of(handle);
  const Stream& stream = stream_of(recorded);
  event.recorded = true;
  event.capture = stream.capture;
  if (!stream.capture) {
    const int64_t now = now_ns();
    event.at_ns = stream.ready_ns > now ? stream.ready_ns : now;
  }
  return cudaSuccess;
}

EXPORTED cudaError_t cudaEventRecord(cudaEvent_t handle, cudaStream_t stream) {
  return cudaEventRecordWithFlags(handle, stream, cudaEventRecordDefault);
}

EXPORTED cudaError_t cudaEventQuery(cudaEvent_t handle) {
  const Guard guard(lock);
  const Event& event = event_of(handle);
  if (breaks_capture() || event.capture) {
    return fail(cudaErrorStreamCaptureUnsupported, "cudaEventQuery");
  }
  return event.at_ns > now_ns() ? cudaErrorNotReady : cudaSuccess;
}

EXPORTED cudaError_t cudaEventSynchronize(cudaEvent_t handle) {
  int64_t until;
  {
    const Guard guard(lock);
    const Event& event = event_of(handle);
    if (event.capture) return fail(cudaErrorStreamCaptureUnsupported, "cudaEventSynchronize");
    until = event.at_ns;
  }
  wait_until(until);
  return cudaSuccess;
}

EXPORTED cudaError_t cudaEventElapsedTime(float* ms, cudaEvent_t start, cudaEvent_t end) {
  const Guard guard(lock);
  const Event &first = event_of(start), &second = event_of(end);
  if (!first.recorded || !second.recorded || !first.timed || !second.timed) {
    return fail(cudaErrorInvalidResourceHandle, "cudaEventElapsedTime");
  }
  *ms = (second.at_ns - first.at_ns) * 1e-6f;
  return cudaSuccess;
}

EXPORTED cudaError_t cudaStreamBeginCapture(cudaStream_t handle, cudaStreamCaptureMode mode) {
  const Guard guard(lock);
  if (traced()) fputs("simulated: a capture begins\n", stderr);
  return begin_capture(stream_of(handle), mode);
}

EXPORTED cudaError_t cudaStreamEndCapture(cudaStream_t handle, cudaGraph_t* graph) {
  const Guard guard(lock);
  Graph* const captured = end_capture(stream_of(handle));
  *graph = reinterpret_cast<cudaGraph_t>(captured);
  if (traced() && captured) fprintf(stderr, "simulated: %d nodes captured\n", captured->nodes);
  return cudaSuccess;
}

EXPORTED cudaError_t cudaStreamIsCapturing(cudaStream_t handle, cudaStreamCaptureStatus* status) {
  const Guard guard(lock);
  *status = status_of(stream_of(handle));
  return cudaSuccess;
}

EXPORTED cudaError_t cudaStreamGetCaptureInfo(
    cudaStream_t handle, cudaStreamCaptureStatus* status, unsigned long long* id,
    cudaGraph_t* graph, const cudaGraphNode_t** dependencies, const cudaGraphEdgeData** edges,
    size_t* count) {
  const Guard guard(lock);
  const Stream& stream = stream_of(handle);
  *status = status_of(stream);
  if (id) *id = reinterpret_cast<unsigned long long>(stream.capture);
  if (graph) *graph = reinterpret_cast<cudaGraph_t>(stream.capture);
  if (dependencies) *dependencies = nullptr;
  if (edges) *edges = nullptr;
  if (count) *count = 0;
  return cudaSuccess;
}

EXPORTED cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode* mode) {
  *mode = exchange_mode(*mode);
  return cudaSuccess;
}

EXPORTED cudaError_t cudaGraphInstantiateWithFlags(
    cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
  *executable = reinterpret_cast<cudaGraphExec_t>(graph);
  return cudaSuccess;
}

// Half of what the kernels take one by one: a program can see that a graph was launched.
EXPORTED cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  return enqueue(stream, kernel_ns() / 2 * reinterpret_cast<Graph*>(executable)->nodes);
}

EXPORTED cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t*, size_t* count) {
  *count = graph ? reinterpret_cast<Graph*>(graph)->nodes : 0;
  return cudaSuccess;
}

EXPORTED cudaError_t cudaGraphNodeGetDependencies(
    cudaGraphNode_t, cudaGraphNode_t*, cudaGraphEdgeData*, size_t* count) {
  *count = 0;
  return cudaSuccess;
}
