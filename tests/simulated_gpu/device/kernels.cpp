// What the device is, and kernels: they are registered and launched, and compute nothing.
#include <vector>

#include "timeline.h"

using namespace simulated;

EXPORTED cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return cudaSuccess;
}

EXPORTED cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}

EXPORTED cudaError_t cudaSetDevice(int device) {
  if (device != 0) return fail(cudaErrorInvalidDevice, "cudaSetDevice");
  use_device();
  return cudaSuccess;
}

EXPORTED cudaError_t cudaDriverGetVersion(int* version) {
  *version = kCudaVersion;
  return cudaSuccess;
}

EXPORTED cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = kCudaVersion;
  return cudaSuccess;
}

EXPORTED cudaError_t cudaDeviceCanAccessPeer(int* can, int, int) {
  *can = 0;
  return cudaSuccess;
}

EXPORTED cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  *least = 0;
  *greatest = -5;
  return cudaSuccess;
}

EXPORTED cudaError_t cudaDeviceGetPCIBusId(char* id, int size, int) {
  snprintf(id, size, "0000:%02X:00.0", pci_bus());
  return cudaSuccess;
}

EXPORTED cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  *properties = {};
  snprintf(properties->name, sizeof properties->name, "%s", kName);
  for (int i = 0; i < 16; i++) properties->uuid.bytes[i] = static_cast<char>(0x10 + i);
  properties->totalGlobalMem = memory_bytes();
  properties->sharedMemPerBlock = kSharedMemory;
  properties->sharedMemPerBlockOptin = kSharedMemoryOptIn;
  properties->sharedMemPerMultiprocessor = kSharedMemoryPerMultiprocessor;
  properties->regsPerBlock = kRegisters;
  properties->regsPerMultiprocessor = kRegisters;
  properties->warpSize = kWarp;
  properties->memPitch = kGridX;
  properties->maxThreadsPerBlock = kThreadsPerBlock;
  properties->maxThreadsDim[0] = properties->maxThreadsDim[1] = kThreadsPerBlock;
  properties->maxThreadsDim[2] = 64;
  properties->maxGridSize[0] = kGridX;
  properties->maxGridSize[1] = properties->maxGridSize[2] = kGridYZ;
  properties->totalConstMem = 65536;
  properties->major = capability_major();
  properties->minor = capability_minor();
  properties->textureAlignment = 512;
  properties->multiProcessorCount = kMultiprocessors;
  properties->maxThreadsPerMultiProcessor = kThreadsPerMultiprocessor;
  properties->maxBlocksPerMultiProcessor = kBlocksPerMultiprocessor;
  properties->concurrentKernels = 1;
  properties->ECCEnabled = 1;
  properties->pciBusID = pci_bus();
  properties->asyncEngineCount = 3;
  properties->unifiedAddressing = 1;
  properties->memoryBusWidth = kMemoryBusBits;
  properties->l2CacheSize = kL2Bytes;
  properties->streamPrioritiesSupported = 1;
  properties->cooperativeLaunch = 1;
  return cudaSuccess;
}

// Whatever is not listed is a feature, and there.
EXPORTED cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  switch (attribute) {
    case cudaDevAttrMaxThreadsPerBlock: *value = kThreadsPerBlock; break;
    case cudaDevAttrMaxGridDimX: *value = kGridX; break;
    case cudaDevAttrMaxGridDimY:
    case cudaDevAttrMaxGridDimZ: *value = kGridYZ; break;
    case cudaDevAttrMaxSharedMemoryPerBlock: *value = kSharedMemory; break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin: *value = kSharedMemoryOptIn; break;
    case cudaDevAttrWarpSize: *value = kWarp; break;
    case cudaDevAttrMultiProcessorCount: *value = kMultiprocessors; break;
    case cudaDevAttrMaxThreadsPerMultiProcessor: *value = kThreadsPerMultiprocessor; break;
    case cudaDevAttrMaxBlocksPerMultiprocessor: *value = kBlocksPerMultiprocessor; break;
    case cudaDevAttrComputeCapabilityMajor: *value = capability_major(); break;
    case cudaDevAttrComputeCapabilityMinor: *value = capability_minor(); break;
    default: *value = 1;
  }
  return cudaSuccess;
}

EXPORTED cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void*) {
  *attributes = {};
  attributes->maxThreadsPerBlock = kThreadsPerBlock;
  attributes->numRegs = 32;
  attributes->binaryVersion = 10 * capability_major() + capability_minor();
  attributes->ptxVersion = attributes->binaryVersion;
  return cudaSuccess;
}

EXPORTED cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(
    int* blocks, const void*, int, size_t, unsigned) {
  *blocks = 2;
  return cudaSuccess;
}

EXPORTED cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(
    int* blocks, const void*, int, size_t) {
  *blocks = 2;
  return cudaSuccess;
}

EXPORTED cudaError_t cudaGetLastError() { return last_error(true); }

EXPORTED cudaError_t cudaPeekAtLastError() { return last_error(false); }

EXPORTED const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaErrorMemoryAllocation: return "out of memory";
    case cudaErrorStreamCaptureUnsupported:
      return "operation not permitted when stream is capturing";
    default: return "an error of the simulated device";
  }
}

EXPORTED const char* cudaGetErrorName(cudaError_t error) {
  return error == cudaErrorMemoryAllocation ? "cudaErrorMemoryAllocation" : "cudaErrorUnknown";
}

// What nvcc's code calls when a library is loaded, and where it writes <<<grid, block>>>.
namespace {

struct Configuration {
  dim3 grid, block;
  size_t shared_bytes;
  void* stream;
};

thread_local std::vector<Configuration> configurations;

}  // namespace

EXPORTED unsigned __cudaPushCallConfiguration(
    dim3 grid, dim3 block, size_t shared_bytes, void* stream) {
  configurations.push_back({grid, block, shared_bytes, stream});
  return 0;
}

EXPORTED cudaError_t __cudaPopCallConfiguration(
    dim3* grid, dim3* block, size_t* shared_bytes, void* stream) {
  const Configuration last = configurations.back();
  configurations.pop_back();
  *grid = last.grid;
  *block = last.block;
  *shared_bytes = last.shared_bytes;
  *static_cast<void**>(stream) = last.stream;
  return cudaSuccess;
}

EXPORTED void** __cudaRegisterFatBinary(void*) {
  static void* handle;
  return &handle;
}

EXPORTED cudaError_t __cudaGetKernel(void** kernel, const void* function) {
  *kernel = const_cast<void*>(function);
  return cudaSuccess;
}

EXPORTED cudaError_t __cudaLaunchKernel(
    void*, dim3, dim3, void**, size_t, cudaStream_t stream) {
  return enqueue(stream, kernel_ns());
}

EXPORTED cudaError_t cudaLaunchKernel(
    const void*, dim3, dim3, void**, size_t, cudaStream_t stream) {
  return enqueue(stream, kernel_ns());
}

EXPORTED cudaError_t cudaLaunchCooperativeKernel(
    const void*, dim3, dim3, void**, size_t, cudaStream_t stream) {
  return enqueue(stream, kernel_ns());
}

EXPORTED cudaError_t cudaLaunchKernelExC(
    const cudaLaunchConfig_t* configuration, const void*, void**) {
  return enqueue(configuration->stream, kernel_ns());
}
